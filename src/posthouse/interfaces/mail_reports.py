"""Where aggregate reports grow until they are sent, and where those that came in are kept (MON-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from posthouse.model.mail_reports import ReceivedReport, ReportKind


class ReportBook(Protocol):
    """Days are counted from 1970 in UTC. Raises Temporary when the store cannot be used."""

    async def note(self, kind: ReportKind, day: int, counts: Mapping[tuple[str, bytes], int]) -> None:
        """Adds to the counts of (domain, encoded entry)."""
        ...

    async def due(self, kind: ReportKind, before_day: int) -> Sequence[tuple[int, str]]:
        """(day, domain) of all days before, that wait for their report."""
        ...

    async def entries(self, kind: ReportKind, day: int, domain: str) -> Sequence[tuple[bytes, int]]:
        """What was noted, with counts; at most some thousands."""
        ...

    async def drop(self, kind: ReportKind, day: int, domain: str) -> None:
        """The report is sent, or nobody wants it."""
        ...

    async def receive(self, report: ReceivedReport) -> bool:
        """Keeps a report that came in; False if the same one (by kind, organisation and id) is there already."""
        ...

    async def received(
        self, kind: ReportKind | None = None, domain: str = "", *, since: float = 0.0, limit: int = 100
    ) -> Sequence[ReceivedReport]:
        """Newest first; fewer than ``limit`` where they are very large."""
        ...

    async def expire(self, before: float) -> int:
        """Drops received reports whose time ended before then; gives how many."""
        ...


class SendReports(Protocol):
    """Sends the reports that other sites ask for."""

    async def __call__(self, *, and_today: bool) -> int:
        """Of days that are over, and of today so far where that is asked for. Gives how many went out."""
        ...
