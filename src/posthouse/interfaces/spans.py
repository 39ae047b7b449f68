"""Where the path of messages is told as spans, for sites that gather traces of all their systems (MON-4).

Beside ``traces``, which is the house's own record and complete: spans say how long each part took, go to a collector outside,
and may be lost. To tell them never fails a message and never waits (open).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.trace import Timing, TraceRecord


class Spans(Protocol):
    def watching(self) -> bool:
        """Whether anyone wants spans; asked for each message, so it costs next to nothing."""
        ...

    def tell(self, record: TraceRecord, timings: Sequence[Timing]) -> None:
        """What became of a message, and how long the parts of its path took, in order. Returns at once."""
        ...


class NoSpans:
    """Nobody wants them."""

    def watching(self) -> bool:
        return False

    def tell(self, record: TraceRecord, timings: Sequence[Timing]) -> None:
        """Nothing is told."""
