"""The record of messages' paths (MON-1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.trace import TraceQuery, TraceRecord


class TraceLog(Protocol):
    """Recording never fails a message: it is buffered, written within 100 ms, and survives a crash of any one process
    except for what that process still buffered."""

    def record(self, record: TraceRecord) -> None:
        """Takes note; returns at once."""
        ...

    async def search(self, query: TraceQuery) -> Sequence[TraceRecord]:
        """Newest first. Sees everything recorded on this node up to about 100 ms before the call."""
        ...

    async def expire(self, before: float) -> int:
        """Drops records older than ``before``; gives how many. Works in the process that writes the log (the steward, a
        tool on a stopped node); raises Permanent in others."""
        ...
