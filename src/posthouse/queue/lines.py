"""Who is served next: a line of jobs for each destination, taken in turn, each as wide as its destination has proved to bear.
Within a line senders take turns (``turns.py``).

A destination that does not answer keeps few of the places; one that takes mail gets more, up to the limit. So a slow one
holds up itself. Where a rate is set, deliveries to one destination are spaced out; one that wants no more for now is left in
peace for a while (``pushback.py``). Nothing here waits, and nothing here knows what a job does.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.model.settings import QueueSettings
from posthouse.queue.pushback import MAX_KNOWN, Patience
from posthouse.queue.turns import Job, Turns

__all__ = ["FIRST_WIDTH", "PER_DESTINATION", "Job", "Lines"]

PER_DESTINATION = 200
"""Jobs that wait in one line at first; what is more stays in the spool."""
ROOMY = 2_000
"""Jobs that wait in the line of a destination that takes mail quickly: each look at the spool costs, whatever it brings."""
FIRST_WIDTH = 3


@dataclass(slots=True)
class _Line:
    """``room``: how many jobs it holds. ``overflowed``: there were more. ``in_turn``: it stands in the turn."""

    jobs: Turns = field(default_factory=Turns)
    running: int = 0
    width: int = FIRST_WIDTH
    room: int = PER_DESTINATION
    overflowed: bool = False
    in_turn: bool = False


class Lines:
    """``put`` jobs, take the ``next`` while there is one, say when each has ``ended``. ``steady`` is a clock in seconds."""

    def __init__(self, settings: Callable[[], QueueSettings], steady: Callable[[], float]) -> None:
        self._settings = settings
        self._steady = steady
        self._rests: dict[str, float] = {}
        self._resting: list[tuple[float, str]] = []
        self._patience = Patience()
        self._rooms: OrderedDict[str, int] = OrderedDict()
        self._lines: dict[str, _Line] = {}
        self._turn: deque[str] = deque()
        self._running = 0

    def put(self, job: Job) -> Job | None:
        """Adds a job. Where its line is full the job comes back, or another one that gives way to it."""
        line = self._lines.get(job.key)
        if line is None:
            line = self._lines[job.key] = _Line(room=self._rooms.pop(job.key, PER_DESTINATION))
        out: Job | None = None
        if len(line.jobs) >= line.room:
            line.overflowed = True
            out = line.jobs.give_way(job)
            if out is None:
                return job
        line.jobs.push(job)
        self._enter(job.key, line, first=job.priority > 0)
        return out

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
            if not line.jobs or line.running >= min(line.width, queue.concurrency_per_destination) or key in self._rests:
                continue
            if queue.rate_per_destination:
                self._rest(key, now + 60 / queue.rate_per_destination)
            job = line.jobs.pop()
            line.running += 1
            self._running += 1
            self._enter(key, line)
            return job
        return None

    @property
    def resumes_at(self) -> float | None:
        """When the next destination may be served again that rests; None if there is none."""
        return self._resting[0][0] if self._resting else None

    def ended(self, job: Job, *, reached: bool, pushed_back: bool = False) -> bool:
        """A job is done; ``reached`` tells whether its destination answered, ``pushed_back`` whether it wants no more for now.
        True when the line wants more from the spool."""
        line = self._lines[job.key]
        self._running -= 1
        line.running -= 1
        if reached and not pushed_back:
            line.width = min(line.width + 1, self._settings().concurrency_per_destination)
            self._patience.forget(job.key)
        else:
            line.width = max(line.width // 2, 1)
            line.room = PER_DESTINATION
        if pushed_back and self._rests.get(job.key, 0.0) <= self._steady():
            self._rest(job.key, self._steady() + self._patience.rest_s(job.key))
        hungry = line.overflowed and len(line.jobs) <= line.room // 4
        if hungry:
            line.overflowed = False
            line.room = min(4 * line.room, ROOMY)
        self._enter(job.key, line)
        if not line.jobs and not line.running:
            self._leave(job.key, line)
        return hungry

    def rest(self, key: str, seconds: float) -> None:
        """Starts nothing there for a while."""
        until = self._steady() + seconds
        if self._rests.get(key, 0.0) < until:
            self._rest(key, until)

    def relieve(self, key: str) -> None:
        """Its rest is over."""
        if self._rests.pop(key, None) is not None and (line := self._lines.get(key)) is not None:
            self._enter(key, line)

    def take_out(self, key: str, which: Callable[[Job], bool]) -> None:
        """Jobs that have not started leave the line; ``which`` is asked once of each."""
        line = self._lines.get(key)
        if line is None:
            return
        jobs = [line.jobs.pop() for _ in range(len(line.jobs))]
        for job in jobs:
            if not which(job):
                line.jobs.push(job)
        if not line.jobs and line.in_turn:
            self._turn.remove(key)
            line.in_turn = False
        if not line.jobs and not line.running:
            self._leave(key, line)

    def _leave(self, key: str, line: _Line) -> None:
        """Nobody stands in the line any more. How much it took is remembered: more of the same may come with the next look."""
        del self._lines[key]
        if line.room > PER_DESTINATION:
            self._rooms[key] = line.room
            if len(self._rooms) > MAX_KNOWN:
                self._rooms.popitem(last=False)

    def clear(self) -> None:
        """Forgets what has not started."""
        for line in self._lines.values():
            line.jobs.clear()

    def _rest(self, key: str, until: float) -> None:
        self._rests[key] = until
        heapq.heappush(self._resting, (until, key))

    def _rested(self, now: float) -> None:
        """Lets destinations back into the turn whose time has come."""
        while self._resting and self._resting[0][0] <= now:
            until, key = heapq.heappop(self._resting)
            if self._rests.get(key) != until:
                continue  # it rests for longer than was said first
            del self._rests[key]
            if (line := self._lines.get(key)) is not None:
                self._enter(key, line)

    def _enter(self, key: str, line: _Line, *, first: bool = False) -> None:
        if first and line.in_turn:
            self._turn.remove(key)
            line.in_turn = False
        if line.jobs and not line.in_turn:
            line.in_turn = True
            (self._turn.appendleft if first else self._turn.append)(key)
