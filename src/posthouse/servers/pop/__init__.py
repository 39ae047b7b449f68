"""POP3 (POP-1): the driver around ``protocols.pop3.server`` and one user's inbox."""

from posthouse.servers.pop.server import PopServer

__all__ = ["PopServer"]
