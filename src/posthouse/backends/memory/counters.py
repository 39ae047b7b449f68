"""Exact counts inside one process, for tests and single-process tools."""

from __future__ import annotations

from collections import deque

from posthouse.base.clock import Clock

MAX_EVENTS = 10_000


class MemoryCounters:
    """Remembers the time of each event, at most the latest 10,000 of a key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, int] = {}
        self._events: dict[str, deque[float]] = {}

    def open(self, key: str) -> int:
        self._open[key] = self._open.get(key, 0) + 1
        return self._open[key]

    def opened(self, key: str) -> int:
        return self._open.get(key, 0)

    def close(self, key: str) -> None:
        count = self._open.get(key, 0) - 1
        if count > 0:
            self._open[key] = count
        else:
            self._open.pop(key, None)

    def hit(self, key: str, window_s: float, count: int = 1) -> int:
        self._events.setdefault(key, deque(maxlen=MAX_EVENTS)).extend([self._clock.steady()] * min(count, MAX_EVENTS))
        return self.recent(key, window_s)

    def recent(self, key: str, window_s: float) -> int:
        since = self._clock.steady() - window_s
        return sum(1 for at in self._events.get(key, ()) if at > since)

    def forget(self, key: str) -> None:
        self._events.pop(key, None)
