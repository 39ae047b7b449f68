"""Fair turns at the password hasher: one client network takes at most its share of it, however many connections it opens.

Without them a flood of guesses from one address would fill the hasher's queue, and everybody else's logins would be
deferred: a lock-out of all by one (DIR-7).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from posthouse.base.errors import Temporary

AT_ONCE = 2
"""As many as the hasher has threads: a lone client may use all of it, several take turns."""

WAITING = 200


class FairTurns:
    """Counts by network (``slowdown.network_of``); holds nothing for networks without attempts under way."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, network: str) -> AsyncIterator[None]:
        """Waits, first come first served, for one of the network's slots. Raises Temporary if too many of it wait."""
        users = self._users.get(network, 0)
        if users >= AT_ONCE + WAITING:
            raise Temporary("Too many logins at once, try again later", code=454, enhanced="4.7.0", cause=f"from {network}")
        self._users[network] = users + 1
        slots = self._slots.setdefault(network, asyncio.Semaphore(AT_ONCE))
        try:
            async with slots:
                yield
        finally:
            self._users[network] -= 1
            if not self._users[network]:
                del self._users[network], self._slots[network]
