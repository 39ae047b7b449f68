"""Counts that hold for the whole node: connections by client, failures by account (NET-1, INB-3)."""

from __future__ import annotations

from typing import Protocol


class Counters(Protocol):
    """Bounded memory. Other workers' counts may lag by some 50 ms."""

    def open(self, key: str) -> int:
        """One more open thing of this key; gives how many are open now on the node, this one included."""
        ...

    def opened(self, key: str) -> int:
        """How many are open now on the node."""
        ...

    def close(self, key: str) -> None:
        """One less."""
        ...

    def hit(self, key: str, window_s: float, count: int = 1) -> int:
        """Counts one event, or ``count`` at once; gives the events within the last ``window_s`` on the node, these included."""
        ...

    def recent(self, key: str, window_s: float) -> int:
        """Events within the last ``window_s``, none added."""
        ...

    def forget(self, key: str) -> None:
        """Sets the events of a key back to none."""
        ...
