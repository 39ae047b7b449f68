"""The sessions of one service of a worker, and their end when the node drains: the same for every protocol that is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from posthouse.model.session import Session as Peer
from posthouse.servers.connection import Connection


class Session(Protocol):
    """One connection's life. ``peer`` is who is at the other end."""

    @property
    def peer(self) -> Peer: ...

    async def run(self) -> None:
        """From greeting to end."""
        ...

    def end_soon(self) -> None:
        """Ends at the next command boundary, at once while it waits for its client."""
        ...


class Sessions:
    """``begin`` makes a session of a connection."""

    def __init__(self, begin: Callable[[Connection], Session]) -> None:
        self._begin = begin
        self._sessions: set[Session] = set()
        self._draining = False

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        session = self._begin(connection)
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
