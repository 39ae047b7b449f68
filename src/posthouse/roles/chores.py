"""What the steward does by the clock: old traces go, and the queue's size is measured for the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from posthouse.admin.context import Context
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.base.metrics import QUEUED
from posthouse.model.settings import Settings

HOUR_S = 3600.0
DAY_S = 86_400.0
MEASURE_S = 15.0

_log = log.get("chores")


class Chores:
    """``start`` them, ``stop`` them. ``sleep`` waits for the given seconds (asyncio.sleep; tests pass their own)."""

    def __init__(
        self, context: Context, settings: Callable[[], Settings], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._context = context
        self._settings = settings
        self._sleep = sleep
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Does each chore now, and then again and again."""
        self._tasks = [
            asyncio.create_task(self._repeat(HOUR_S, self.expire_traces)),
            asyncio.create_task(self._repeat(MEASURE_S, self.measure_queue)),
        ]

    async def stop(self) -> None:
        """Ends them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def expire_traces(self) -> None:
        """Drops traces older than ``store.trace_days``."""
        before = self._context.clock.now() - self._settings().store.trace_days * DAY_S
        count = await self._context.traces.expire(before)
        if count:
            _log.info("traces-expired", count=count)

    async def measure_queue(self) -> None:
        """Sets ``posthouse_queue_recipients``."""
        counts = await self._context.spool.count()
        for state in ("waiting", "held"):
            QUEUED.labels(state).set(counts.get(state, 0))

    async def _repeat(self, interval_s: float, chore: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await chore()
            except MailError as error:
                _log.warning("chore-failed", chore=chore.__name__, cause=error.cause or error.public)
            await self._sleep(interval_s)
