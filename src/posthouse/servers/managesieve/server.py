"""The ManageSieve service of one worker: its sessions, and their end when the node drains."""

from __future__ import annotations

from posthouse.model.session import Service
from posthouse.servers.connection import Connection
from posthouse.servers.managesieve.session import ManageSieveSession
from posthouse.servers.services import Services


class ManageSieveServer:
    """``service`` is managesieve."""

    def __init__(self, services: Services, service: Service) -> None:
        self._services = services
        self._service: Service = service
        self._sessions: set[ManageSieveSession] = set()
        self._draining = False

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        session = ManageSieveSession(self._services, self._service, connection)
        self._sessions.add(session)
        try:
            if self._draining:
                session.end_soon()
            await session.run()
        finally:
            self._sessions.discard(session)

    def drain(self) -> None:
        """Asks every session to end at its next command boundary, idle ones at once."""
        self._draining = True
        for session in tuple(self._sessions):
            session.end_soon()

    def end_account(self, account_id: int) -> None:
        """As ``listener.EndsAccounts``."""
        for session in tuple(self._sessions):
            if session.peer.account_id == account_id:
                session.end_soon()
