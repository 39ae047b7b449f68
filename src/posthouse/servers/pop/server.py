"""One POP3 service of one worker: its sessions, and their end when the node drains. ``session.py`` is a connection's life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from posthouse.model.session import Service
from posthouse.servers.connection import Connection
from posthouse.servers.pop.session import PopSession
from posthouse.servers.services import Services


class PopServer:
    """``service`` is pop3 or pop3s. ``sleep`` waits for seconds; tests pass their own."""

    def __init__(self, services: Services, service: Service, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._services = services
        self._service: Service = service
        self._sleep = sleep
        self._sessions: set[PopSession] = set()
        self._draining = False

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        session = PopSession(self._services, self._service, connection, self._sleep)
        self._sessions.add(session)
        try:
            if self._draining:
                session.end_soon()
            await session.run()
        finally:
            self._sessions.discard(session)

    def drain(self) -> None:
        """Asks every session to end at its next command boundary, idle ones at once. Marks of deletion are dropped."""
        self._draining = True
        for session in tuple(self._sessions):
            session.end_soon()

    def end_account(self, account_id: int) -> None:
        """As ``listener.EndsAccounts``."""
        for session in tuple(self._sessions):
            if session.peer.account_id == account_id:
                session.end_soon()
