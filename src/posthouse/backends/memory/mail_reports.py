"""Aggregate reports in memory (interfaces/mail_reports.py)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from posthouse.model.mail_reports import ReceivedReport, ReportKind


class MemoryReportBook:
    def __init__(self) -> None:
        self._seen: dict[tuple[ReportKind, int, str], Counter[bytes]] = defaultdict(Counter)
        self._received: dict[tuple[str, str, str], ReceivedReport] = {}

    async def note(self, kind: ReportKind, day: int, counts: Mapping[tuple[str, bytes], int]) -> None:
        for (domain, entry), count in counts.items():
            self._seen[kind, day, domain][entry] += count

    async def due(self, kind: ReportKind, before_day: int) -> Sequence[tuple[int, str]]:
        return sorted((day, domain) for found, day, domain in self._seen if found == kind and day < before_day)

    async def entries(self, kind: ReportKind, day: int, domain: str) -> Sequence[tuple[bytes, int]]:
        return sorted(self._seen[kind, day, domain].items())

    async def drop(self, kind: ReportKind, day: int, domain: str) -> None:
        self._seen.pop((kind, day, domain), None)

    async def receive(self, report: ReceivedReport) -> bool:
        key = (report.kind, report.organisation, report.report_id)
        new = key not in self._received
        self._received.setdefault(key, report)
        return new

    async def received(
        self, kind: ReportKind | None = None, domain: str = "", *, since: float = 0.0, limit: int = 100
    ) -> Sequence[ReceivedReport]:
        found = [
            each
            for each in self._received.values()
            if kind in (None, each.kind) and domain in ("", each.domain) and each.ends_at >= since
        ]
        return sorted(found, key=lambda each: -each.ends_at)[:limit]

    async def expire(self, before: float) -> int:
        old = [key for key, each in self._received.items() if each.ends_at < before]
        for key in old:
            del self._received[key]
        return len(old)
