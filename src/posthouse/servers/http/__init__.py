"""HTTP/1.1: the driver around uvicorn's protocol, on connections that the listener has admitted."""

from posthouse.servers.http.server import HttpServer

__all__ = ["HttpServer"]
