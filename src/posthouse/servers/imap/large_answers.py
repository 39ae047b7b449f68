"""Large messages on their way out to clients: so many at a time in a process, and of one account fewer.

A message is held in memory, with copies of what is asked of it, until its client has read most of it. Clients that do not read
would fill the memory otherwise; who waits here waits for their time-out at the worst, and only with large messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LARGE_BYTES = 4 << 20
AT_ONCE = 8
OF_ACCOUNT = 2


class LargeAnswers:
    """``turn`` is for one message and its answer; first come, first served."""

    def __init__(self, at_once: int = AT_ONCE, of_account: int = OF_ACCOUNT) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._of_account = of_account
        self._accounts: dict[int, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def turn(self, account_id: int, size_bytes: int) -> AsyncIterator[None]:
        """Waits for one's turn with a large message; with a small one there is nothing to wait for."""
        if size_bytes < LARGE_BYTES:
            yield
            return
        own, users = self._accounts.get(account_id, (asyncio.Semaphore(self._of_account), 0))
        self._accounts[account_id] = own, users + 1
        try:
            async with own, self._all:
                yield
        finally:
            own, users = self._accounts[account_id]
            if users > 1:
                self._accounts[account_id] = own, users - 1
            else:
                del self._accounts[account_id]
