"""Books of what a node has acknowledged, kept by the clients that flood it, and held against what is there afterwards.

Every message bears a token as its subject. In each place (a mailbox, or the queue) a token is *sure*: acknowledged, so there
exactly once; or *open*: sent but not answered when the node died, so there once or not at all; or unknown, and then it must
not be there. Flags are what was acknowledged last, or what a change without an answer would have made of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Flags = frozenset[str]


class Place(NamedTuple):
    """A mailbox of an account; the queue is the place of no account."""

    account: str
    mailbox: str


QUEUE = Place("", "queue")


class Seen(NamedTuple):
    """A message as found: ``uid`` 0 and no flags in the queue."""

    token: str
    uid: int = 0
    flags: Flags = frozenset()


Entry = tuple[Place, str]


@dataclass
class Books:
    """One for the whole life of a data folder. ``problems`` is empty as long as every promise was kept."""

    sure: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    open: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    flags: dict[Entry, Flags] = field(default_factory=dict)
    open_flags: dict[Entry, list[Flags]] = field(default_factory=lambda: defaultdict(list))
    uids: dict[tuple[Place, int], str] = field(default_factory=dict)
    uid_validity: dict[Place, int] = field(default_factory=dict)
    together: list[tuple[Entry, ...]] = field(default_factory=list)
    either: list[tuple[Entry, Entry]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    # What clients write down

    def begin(self, *entries: Entry) -> None:
        """A message is being sent that belongs to all these places, or to none."""
        for place, token in entries:
            self.open[place].add(token)

    def done(self, *entries: Entry) -> None:
        """It was acknowledged: it is there, unless a reader was quicker than the answer and took it away, or is about to."""
        moving = {one for pair in self.either for one in pair}
        for place, token in entries:
            if token in self.open[place] and (place, token) not in moving:
                self.open[place].discard(token)
                self.sure[place].add(token)
        self.counts["acknowledged"] += 1

    def refused(self, *entries: Entry) -> None:
        """It was refused for good: nothing of it may be there."""
        for place, token in entries:
            self.open[place].discard(token)
        self.counts["refused"] += 1

    def unanswered(self, *entries: Entry) -> None:
        """Nobody knows; but one transaction is there whole or not at all."""
        self.counts["unanswered"] += 1
        if len(entries) > 1:
            self.together.append(entries)

    def begin_move(self, source: Place, target: Place, tokens: Iterable[str]) -> None:
        """From now on the messages may be in either place, but in one of them."""
        for token in tokens:
            self.sure[source].discard(token)
            self.open[source].add(token)
            self.open[target].add(token)
            self.either.append(((source, token), (target, token)))

    def end_move(self, source: Place, target: Place, tokens: Sequence[str], *, moved: bool | None) -> None:
        """``moved`` None: the answer never came."""
        if moved is None:
            return
        here, gone = (target, source) if moved else (source, target)
        for token in tokens:
            self.open[source].discard(token)
            self.open[target].discard(token)
            self.sure[here].add(token)
            self.sure[gone].discard(token)
            self.either.remove(((source, token), (target, token)))

    def begin_removal(self, place: Place, tokens: Iterable[str]) -> None:
        """An expunge is under way."""
        for token in tokens:
            self.sure[place].discard(token)
            self.open[place].add(token)

    def set_flags(self, place: Place, token: str, flags: Flags) -> None:
        """Acknowledged flags."""
        self.flags[place, token] = flags
        self.open_flags.pop((place, token), None)

    # What is found

    def told_uid(self, place: Place, uid_validity: int, uid: int, token: str) -> None:
        """A UID names one message for ever (RFC 9051 §2.3.1.1)."""
        if self.uid_validity.setdefault(place, uid_validity) != uid_validity:
            self.problems.append(f"{place}: UIDVALIDITY was {self.uid_validity[place]}, is {uid_validity}")
        if uid and self.uids.setdefault((place, uid), token) != token:
            self.problems.append(f"{place}: UID {uid} was {self.uids[place, uid]}, is {token}")

    def compare(self, found: dict[Place, list[Seen]], *, held: dict[Place, set[str]] | None = None) -> None:
        """Notes what does not fit, and takes what is found as the truth from here on.

        ``held``: tokens that earlier comparisons have seen in places that were looked at in part.
        """
        held = held or {}
        there = {place: {one.token for one in rows} | held.get(place, set()) for place, rows in found.items()}
        self._compare_groups(there)
        for place, rows in found.items():
            twice = [token for token, count in Counter(one.token for one in rows).items() if count > 1]
            self._problem(place, "twice", [*twice, *({one.token for one in rows} & held.get(place, set()))])
            self._problem(place, "lost", self.sure[place] - there[place])
            self._problem(place, "never acknowledged nor open", there[place] - self.sure[place] - self.open[place])
            self.sure[place] = there[place]
            self.open[place] = set()
            for one in rows:
                self.observe(place, one)

    def _compare_groups(self, there: dict[Place, set[str]]) -> None:
        for entries in self.together:
            states = {token in there[place] for place, token in entries if place in there}
            if len(states) > 1:
                self.problems.append(f"half of one transaction is there: {entries}")
        for one, other in self.either:
            if sum(token in there[place] for place, token in (one, other)) != 1:
                self.problems.append(f"a move left a message in both places or none: {one}, {other}")
        self.together = [entries for entries in self.together if not all(place in there for place, _ in entries)]
        self.either.clear()

    def observe(self, place: Place, one: Seen) -> None:
        """The flags must be the last acknowledged ones, or what a change without an answer made of them."""
        key = (place, one.token)
        if key in self.flags:
            allowed = [self.flags[key], *self.open_flags.pop(key, [])]
            if one.flags not in allowed:
                self.problems.append(f"{place} {one.token}: flags {sorted(one.flags)}, not one of {[*map(sorted, allowed)]}")
            self.flags[key] = one.flags

    def _problem(self, place: Place, what: str, tokens: Iterable[str]) -> None:
        few = sorted(tokens)
        if few:
            self.problems.append(f"{place}: {len(few)} {what}: {few[:5]}")
