"""The jobs that wait for one destination, in the order of their turns: by priority (RFC 6710), then one of each sending domain,
and in that one of each account or address, so that who sends much holds up nobody but himself.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from posthouse.model.queued import QueuedMessage

Who = tuple[int, str, str]
"""Priority, domain and address of a sender."""


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

    @property
    def priority(self) -> int:
        """The message's."""
        return self.message.sender.priority

    @property
    def who(self) -> Who:
        """In whose turn it goes."""
        who = self.message.who
        return self.priority, who.rpartition("@")[2], who


Senders = OrderedDict[str, deque[Job]]


@dataclass(slots=True)
class Turns:
    """``_largest`` is how many jobs one sender has at most."""

    _levels: dict[int, OrderedDict[str, Senders]] = field(default_factory=dict)
    _counts: Counter[Who] = field(default_factory=Counter)
    _sizes: Counter[int] = field(default_factory=Counter)
    _largest: int = 0
    _length: int = 0

    def __len__(self) -> int:
        return self._length

    def push(self, job: Job) -> None:
        """Adds a job behind the others of its sender."""
        priority, domain, sender = job.who
        domains = self._levels.setdefault(priority, OrderedDict())
        domains.setdefault(domain, OrderedDict()).setdefault(sender, deque()).append(job)
        self._count(job.who, 1)

    def pop(self) -> Job:
        """Takes the job whose turn it is; there is one."""
        domains = self._levels[max(self._levels)]
        domain, senders = next(iter(domains.items()))
        sender, jobs = next(iter(senders.items()))
        job = jobs.popleft()
        domains.move_to_end(domain)
        senders.move_to_end(sender)
        self._tidy(job.who, jobs)
        return job

    def give_way(self, job: Job) -> Job | None:
        """Takes out the last job of whoever has most, to make room for this one; None if no one is to give way to it: its
        priority is not higher, and its sender has as much as anybody."""
        if not self._levels:
            return None
        lowest = min(self._levels)
        if lowest > job.priority or (lowest == job.priority and self._largest < self._counts[job.who] + 2):
            return None
        most = max((who for who in self._counts if who[0] == lowest), key=self._counts.__getitem__)
        if lowest == job.priority and self._counts[most] < self._counts[job.who] + 2:
            return None
        jobs = self._levels[lowest][most[1]][most[2]]
        out = jobs.pop()
        self._tidy(most, jobs)
        return out

    def clear(self) -> None:
        """Forgets them all."""
        self._levels.clear()
        self._counts.clear()
        self._sizes.clear()
        self._largest = self._length = 0

    def _tidy(self, who: Who, jobs: deque[Job]) -> None:
        """After a job was taken out of ``jobs``."""
        self._count(who, -1)
        if jobs:
            return
        priority, domain, sender = who
        domains = self._levels[priority]
        del domains[domain][sender]
        if not domains[domain]:
            del domains[domain]
        if not domains:
            del self._levels[priority]

    def _count(self, who: Who, change: int) -> None:
        self._length += change
        before = self._counts[who]
        after = before + change
        self._sizes[before] -= 1
        self._sizes[after] += 1
        if after:
            self._counts[who] = after
        else:
            del self._counts[who]
        self._largest = max(self._largest, after)
        while self._largest and not self._sizes[self._largest]:
            self._largest -= 1
