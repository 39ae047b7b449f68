"""Reports by the clock: each minute what was counted is written down, and failures are told of; each hour what is due is sent;
old ones go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.interfaces.mail_reports import ReportBook
from posthouse.model.settings import Settings
from posthouse.pipeline.send_failures import FailureSender
from posthouse.pipeline.send_reports import ReportSender
from posthouse.reporting.tallies import Tallies

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 86_400.0

_log = log.get("reports")


@dataclass(frozen=True, slots=True)
class DailyReports:
    """``chores`` are for the steward's clock."""

    book: ReportBook
    tallies: Tallies
    sender: ReportSender
    failures: FailureSender
    settings: Callable[[], Settings]
    clock: Clock
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def chores(self) -> tuple[tuple[float, Callable[[], Awaitable[None]]], ...]:
        """(seconds between, what)."""
        return ((MINUTE_S, self.write_down), (HOUR_S, self.send_reports), (DAY_S, self.expire_reports))

    async def write_down(self) -> None:
        """What was counted since; and tells of failures."""
        await self.tallies.flush()
        await self.failures.send()

    async def send_reports(self) -> None:
        """Of days that are over."""
        await self.send_now(and_today=False)

    async def send_now(self, *, and_today: bool) -> int:
        """One after the other with what the clock does, so that nothing goes twice. Gives how many went out."""
        async with self._turn:
            await self.tallies.flush()
            failures = await self.failures.send()
            if count := await self.sender.send(and_today=and_today) + failures:
                _log.info("reports-sent", count=count)
            return count

    async def expire_reports(self) -> None:
        """Drops received reports older than ``reports.keep_days``."""
        if count := await self.book.expire(self.clock.now() - self.settings().reports.keep_days * DAY_S):
            _log.info("reports-expired", count=count)
