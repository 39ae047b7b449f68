"""Fairness between the connections of a worker: who sends commands without pause, and who does not read the answers."""

from __future__ import annotations

import asyncio

from posthouse.servers.connection import Connection

PER_TURN = 16


class Turns:
    """One for each session. ``taken`` is awaited after each answer, or ``rest`` whenever ``over`` says so."""

    __slots__ = ("_answers", "_connection")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers = 0

    async def taken(self) -> None:
        """Every sixteenth time it rests. Raises as ``rest``."""
        if self.over():
            await self.rest()

    def over(self) -> bool:
        """One more answer: whether it is time to rest."""
        self._answers += 1
        return self._answers % PER_TURN == 0

    async def rest(self) -> None:
        """Waits until the client has read most of its answers, and others have had their turn.

        Raises TimeoutError and OSError as ``Connection.drain``."""
        await self._connection.drain()
        await asyncio.sleep(0)
