"""The way from the web faces to the steward, which runs the operations: some connections to its control socket, in turn."""

from __future__ import annotations

import asyncio

from posthouse.base import log
from posthouse.protocols.control import Answer, FrameError, Request
from posthouse.servers.control import ControlClient
from posthouse.servers.http.problems import Problem

CONNECTIONS = 16
MOST_WAITING = 64
OPERATION_S = 300.0
_log = log.get("http")


class StewardsEar:
    """``ask`` runs operations; at most 16 of this worker at a time."""

    def __init__(self, control_path: str) -> None:
        self._path = control_path
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[ControlClient] = []
        self._waiting = 0

    async def ask(self, request: Request) -> Answer:
        """Raises Problem when the steward cannot be reached, is too busy, or is not done in time (it goes on)."""
        if self._waiting >= MOST_WAITING:
            raise Problem("unavailable", "too many operations wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(OPERATION_S):
                async with self._free:
                    return await self._ask(request)
        except TimeoutError:
            raise Problem("unfinished", f"not done after {OPERATION_S:.0f} seconds") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Ends the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, request: Request) -> Answer:
        client = self._idle.pop() if self._idle else ControlClient(self._path)
        try:
            return await client.ask(request)
        except (OSError, FrameError) as error:
            _log.error("steward not reached", why=str(error))
            raise Problem("unavailable", "operations cannot be run at this moment") from None
        finally:
            self._idle.append(client)
