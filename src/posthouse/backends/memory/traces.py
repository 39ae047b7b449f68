"""Traces in memory, bounded, for tests and tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from posthouse.base.glob import matches
from posthouse.model.trace import TraceQuery, TraceRecord


class MemoryTraceLog:
    """``interfaces.traces.TraceLog``; keeps the newest ``most`` records."""

    def __init__(self, most: int = 100_000) -> None:
        self._records: deque[TraceRecord] = deque(maxlen=most)

    def record(self, record: TraceRecord) -> None:
        self._records.append(record)

    async def search(self, query: TraceQuery) -> Sequence[TraceRecord]:
        found = [record for record in reversed(self._records) if _fits(query, record)]
        found.sort(key=lambda record: record.at, reverse=True)
        return found[: max(query.limit, 0)]

    async def expire(self, before: float) -> int:
        kept = [record for record in self._records if record.at >= before]
        gone = len(self._records) - len(kept)
        self._records = deque(kept, maxlen=self._records.maxlen)
        return gone


def _fits(query: TraceQuery, record: TraceRecord) -> bool:
    return (
        (not query.trace_id or matches(query.trace_id, record.trace_id))
        and (not query.sender or matches(query.sender, record.sender or "<>"))
        and (not query.message_id or matches(query.message_id, record.message_id))
        and (not query.recipient or any(matches(query.recipient, recipient) for recipient in record.recipients))
        and (not query.account or record.account.lower() == query.account.lower())
        and (query.since is None or record.at >= query.since)
        and (query.until is None or record.at < query.until)
    )
