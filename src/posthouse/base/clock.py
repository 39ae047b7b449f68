"""Time comes in through constructors, so that tests drive it by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time and steady time, both in seconds."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def steady(self) -> float:
        """Seconds on a clock that never goes back; for time-outs."""
        ...


class SystemClock:
    """The machine's clocks, called without a frame of Python between: a message asks thirty times."""

    now = staticmethod(time.time)
    steady = staticmethod(time.monotonic)


class ManualClock:
    """A clock for tests: stands still until ``advance``."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self._now = now
        self._steady = 1000.0

    def now(self) -> float:
        return self._now

    def steady(self) -> float:
        return self._steady

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._steady += seconds
