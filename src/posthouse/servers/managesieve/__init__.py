"""ManageSieve (RFC 5804): users put their scripts on the server. ``server`` is a service, ``session`` a connection's life,
``scripts`` what the commands do."""

from posthouse.servers.managesieve.server import ManageSieveServer

__all__ = ["ManageSieveServer"]
