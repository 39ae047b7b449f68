"""One timer for all time-outs of a process: it wakes connections whose deadline has passed.

A timer handle for each read would cost more than the read itself; so a connection only notes its deadline, and the
sweeper looks at all of them four times a second, while there are any. Knows nothing of protocols.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from posthouse.base.clock import Clock, SystemClock

NEVER = float("inf")
INTERVAL_S = 0.25


class Swept(Protocol):
    """What the sweeper looks at. ``next_deadline_s`` is on the steady clock, NEVER when nothing is awaited."""

    next_deadline_s: float

    def overdue(self, now_s: float) -> None:
        """Called when ``next_deadline_s`` has passed; it must move the deadline."""
        ...

    def abort(self) -> None:
        """Ends it at once."""
        ...


class Sweeper:
    """Holds every connection of the process. All methods are for the loop's own thread."""

    def __init__(self, clock: Clock | None = None, interval_s: float = INTERVAL_S) -> None:
        self._clock = clock or SystemClock()
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._members: set[Swept] = set()
        self.now = self._clock.steady

    @property
    def watched(self) -> int:
        """How many connections there are."""
        return len(self._members)

    def add(self, member: Swept) -> None:
        """Starts to watch; the timer runs while anything is watched."""
        self._members.add(member)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._tick)

    def discard(self, member: Swept) -> None:
        """Stops watching."""
        self._members.discard(member)

    def sweep(self) -> None:
        """Wakes all that are late."""
        now_s = self.now()
        for member in [one for one in self._members if one.next_deadline_s <= now_s]:
            member.overdue(now_s)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self._members:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._tick)


def settle(waiter: asyncio.Future[None], error: Exception | None) -> None:
    """Wakes who waits for it, with an error or without; nothing if it was woken before."""
    if not waiter.done():
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
