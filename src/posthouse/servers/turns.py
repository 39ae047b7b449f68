"""Fairness between the connections of a worker: who sends commands without pause, and who does not read the answers."""

from __future__ import annotations

import asyncio

from posthouse.servers.connection import Connection

PER_TURN = 16


class Turns:
    """One for each session. ``taken`` is called after each answer; nearly always it returns at once."""

    __slots__ = ("_answers", "_connection")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answers = 0

    async def taken(self) -> None:
        """Every sixteenth time it waits until the client has read most of its answers, and others have had their turn.

        Raises TimeoutError and OSError as ``Connection.drain``."""
        self._answers += 1
        if self._answers % PER_TURN == 0:
            await self._connection.drain()
            await asyncio.sleep(0)
