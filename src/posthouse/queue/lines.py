"""Who is served next: a line of jobs for each destination, taken in turn, each as wide as its destination has proved to bear.

A destination that does not answer keeps few of the places; one that takes mail gets more, up to the limit. So a slow one
holds up itself. Where a rate is set, deliveries to one destination are spaced out. Nothing here waits, and nothing here knows
what a job does.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.model.queued import QueuedMessage
from posthouse.model.settings import QueueSettings

PER_DESTINATION = 200
"""Jobs that wait in one line; what is more stays in the spool."""
FIRST_WIDTH = 3


@dataclass(frozen=True, slots=True)
class Job:
    """The recipients of one message that go to one destination in one transaction."""

    message: QueuedMessage
    domain: str
    next_hop: str

    @property
    def key(self) -> str:
        """The destination's name."""
        return self.next_hop or self.domain


@dataclass(slots=True)
class _Line:
    """``overflowed``: there were more jobs than it holds. ``in_turn``: it stands in the turn."""

    jobs: deque[Job] = field(default_factory=deque)
    running: int = 0
    width: int = FIRST_WIDTH
    overflowed: bool = False
    in_turn: bool = False


class Lines:
    """``put`` jobs, take the ``next`` while there is one, say when each has ``ended``. ``steady`` is a clock in seconds."""

    def __init__(self, settings: Callable[[], QueueSettings], steady: Callable[[], float]) -> None:
        self._settings = settings
        self._steady = steady
        self._paced: set[str] = set()
        self._resting: list[tuple[float, str]] = []
        self._lines: dict[str, _Line] = {}
        self._turn: deque[str] = deque()
        self._running = 0

    def put(self, job: Job) -> bool:
        """Adds a job; False if its line is full."""
        line = self._lines.get(job.key)
        if line is None:
            line = self._lines[job.key] = _Line()
        if len(line.jobs) >= PER_DESTINATION:
            line.overflowed = True
            return False
        line.jobs.append(job)
        self._enter(job.key, line)
        return True

    def next(self) -> Job | None:
        """The job that may start now; None if none may."""
        queue = self._settings()
        now = self._steady()
        self._rested(now)
        if self._running >= queue.concurrency:
            return None
        while self._turn:
            key = self._turn.popleft()
            line = self._lines[key]
            line.in_turn = False
            if not line.jobs or line.running >= min(line.width, queue.concurrency_per_destination) or key in self._paced:
                continue
            if queue.rate_per_destination:
                self._paced.add(key)
                heapq.heappush(self._resting, (now + 60 / queue.rate_per_destination, key))
            job = line.jobs.popleft()
            line.running += 1
            self._running += 1
            self._enter(key, line)
            return job
        return None

    @property
    def resumes_at(self) -> float | None:
        """When the next destination may be served again that rests because of its rate; None if there is none."""
        return self._resting[0][0] if self._resting else None

    def ended(self, job: Job, *, reached: bool) -> bool:
        """A job is done; ``reached`` tells whether its destination answered. True when the line wants more from the spool."""
        line = self._lines[job.key]
        self._running -= 1
        line.running -= 1
        line.width = min(line.width + 1, self._settings().concurrency_per_destination) if reached else max(line.width // 2, 1)
        hungry = line.overflowed and len(line.jobs) <= PER_DESTINATION // 4
        if hungry:
            line.overflowed = False
        self._enter(job.key, line)
        if not line.jobs and not line.running:
            del self._lines[job.key]
        return hungry

    def clear(self) -> None:
        """Forgets what has not started."""
        for line in self._lines.values():
            line.jobs.clear()

    def _rested(self, now: float) -> None:
        """Lets destinations back into the turn whose time has come."""
        while self._resting and self._resting[0][0] <= now:
            _, key = heapq.heappop(self._resting)
            self._paced.discard(key)
            if (line := self._lines.get(key)) is not None:
                self._enter(key, line)

    def _enter(self, key: str, line: _Line) -> None:
        if line.jobs and not line.in_turn:
            line.in_turn = True
            self._turn.append(key)
