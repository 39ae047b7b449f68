"""A greylisting triplet and what becomes of it by the clock (GRY-1). Pure: every backend keeps to ``step``.

A triplet is (client network, sender, recipient), each in the form in which it is compared; who makes them is
``pipeline/greylist_keys.py``. Times are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Outcome = Literal["new", "early", "late", "retried", "valid", "allowed"]
"""``new``: never seen. ``early``: waits, came back too soon. ``late``: came back when its window was over, or after its
active lifetime, and starts again. ``retried``: came back in the window and is valid now. ``valid``: was valid. ``allowed``:
its client has so many valid triplets that it is no longer asked."""

PASSED: frozenset[Outcome] = frozenset(("retried", "valid", "allowed"))
"""The outcomes that let mail through."""


@dataclass(frozen=True, slots=True)
class Triplet:
    """``sender`` "" is the null sender; ``recipient`` "" where recipients are ignored. ``domain`` is the recipient's, for the
    statistics alone."""

    network: str
    sender: str
    recipient: str
    domain: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """How it is decided. ``most_waiting``: triplets of one client network that may wait at a time; ``most``: of all networks.
    ``auto_allow``: a client with this many valid triplets is allowed, 0: never.

    ``learning``: nobody is delayed, so nobody comes back for that; whoever writes again within the lifetime is valid.
    """

    earliest_s: float
    latest_s: float
    lifetime_s: float
    most_waiting: int = 10_000
    most: int = 5_000_000
    auto_allow: int = 0
    learning: bool = False

    @property
    def window_end_s(self) -> float:
        """How long after it was first seen a triplet may still come back."""
        return max(self.latest_s, self.lifetime_s) if self.learning else self.latest_s


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of a triplet. ``valid_at`` is 0.0 while it waits. ``learnt``: it was first seen in learning mode, and would
    have waited. ``tries``: times that it was told to wait; ``passes``: times that it was let through."""

    first_at: float
    last_at: float
    valid_at: float = 0.0
    tries: int = 1
    passes: int = 0
    learnt: bool = False

    def expires_at(self, terms: Terms) -> float:
        """When nothing is left of it."""
        return self.last_at + terms.lifetime_s if self.valid_at else self.first_at + terms.window_end_s


def step(standing: Standing | None, now: float, terms: Terms) -> tuple[Standing, Outcome]:
    """One attempt at ``now``: what is kept from then on, and how it is answered."""
    if standing is None:
        return Standing(now, now, learnt=terms.learning), "new"
    if standing.valid_at:
        if now - standing.last_at > terms.lifetime_s:
            return Standing(now, now, learnt=terms.learning), "late"
        return replace(standing, last_at=max(now, standing.last_at), passes=standing.passes + 1), "valid"
    waited_s = now - standing.first_at
    if waited_s < terms.earliest_s:
        return replace(standing, last_at=max(now, standing.last_at), tries=standing.tries + 1), "early"
    if waited_s > terms.window_end_s:
        return Standing(now, now, learnt=terms.learning), "late"
    return replace(standing, last_at=now, valid_at=now, passes=standing.passes + 1), "retried"


@dataclass(frozen=True, slots=True)
class Use:
    """Attempts that were answered from what was known, told afterwards: ``count`` times ``outcome`` (``early``, ``valid`` or
    ``allowed``), the last one ``at``."""

    triplet: Triplet
    outcome: Outcome
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A triplet as it is kept."""

    triplet: Triplet
    standing: Standing


@dataclass(frozen=True, slots=True)
class TripletQuery:
    """All that are given must hold; texts may have ``*`` and ``?``. ``sender`` "<>" finds the null sender. ``state``:
    "waiting", "valid", "learnt" (would have waited) or ""."""

    network: str = ""
    sender: str = ""
    recipient: str = ""
    state: Literal["", "waiting", "valid", "learnt"] = ""
    limit: int = 100


TallyKind = Literal["domain", "network"]
OTHERS = "(others)"
"""The name under which the rest is counted when a day has too many names."""
MOST_NAMES = 20_000
"""Domains, and networks, that are counted by name in one day."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Attempts by what became of them. ``lost``: triplets that never came back in their window. ``would_wait``: attempts that
    learning mode let through and that would have been delayed."""

    name: str
    passed: int = 0
    delayed: int = 0
    retried: int = 0
    lost: int = 0
    would_wait: int = 0


def day_of(at: float) -> int:
    """The day (UTC) that an attempt is counted on, in days since 1970."""
    return int(at // DAY_S)


def column_of(outcome: Outcome, *, learning: bool) -> str:
    """The field of ``Tally`` that an attempt counts in. A triplet's first pass counts as ``retried``."""
    if outcome == "retried":
        return "retried"
    if outcome in PASSED:
        return "passed"
    return "would_wait" if learning else "delayed"


@dataclass(frozen=True, slots=True)
class Reputation:
    """Messages of a domain that were signed in its name (DKIM, aligned with the author) and taken: ``here`` from this client
    network, ``anywhere`` from all."""

    here: int = 0
    anywhere: int = 0
