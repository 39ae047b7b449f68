"""A search or sort whose result is kept as the mailbox changes (RFC 5267 §4.3): who is in it, in which order.

What joins and what leaves comes back as runs, each of results that stand next to one another, so that whoever applies them in
turn has the same list. What a sort compares by never changes for a message, so it is read once and kept. It knows nothing of
IMAP's text, and nothing of how matches are found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from posthouse.mailstore.sorting import Value
from posthouse.protocols.imap import search_keys as keys
from posthouse.protocols.imap.search_keys import SearchKey
from posthouse.protocols.imap.sequence import STAR
from posthouse.protocols.imap.sort_commands import SortKey


@dataclass(frozen=True, slots=True)
class Run:
    """UIDs in their order, and the place of the first, counted from 1; 0 where results have no order of their own."""

    position: int
    uids: tuple[int, ...]


def can_live(key: SearchKey) -> bool:
    """Whether a message's match depends on nothing but the message: not on its number, the hour, or a saved result."""
    waiting = [key]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (keys.SequenceKey, keys.AgeKey)):
            return False
        if isinstance(one, keys.UidKey) and (one.sequence.saved or any(STAR in pair for pair in one.sequence.ranges)):
            return False
        if isinstance(one, keys.And):
            waiting += one.keys
        elif isinstance(one, keys.Or):
            waiting += (one.left, one.right)
        elif isinstance(one, keys.Not):
            waiting.append(one.key)
    return True


class LiveSearch:
    """A search's result, without an order."""

    def __init__(self, uids: Iterable[int]) -> None:
        self.members = set(uids)

    def leave(self, uids: Collection[int]) -> Sequence[Run]:
        """These are not in it any more."""
        gone = sorted(self.members.intersection(uids))
        self.members.difference_update(gone)
        return [Run(0, tuple(gone))] if gone else []

    def join(self, uids: Collection[int]) -> Sequence[Run]:
        """These are in it now."""
        new = sorted(set(uids) - self.members)
        self.members.update(new)
        return [Run(0, tuple(new))] if new else []


class LiveSort(LiveSearch):
    """A sort's result. ``values`` are what its messages are compared by, in the order of ``criteria``."""

    def __init__(self, order: Sequence[int], criteria: Sequence[SortKey], values: Mapping[int, tuple[Value, ...]]) -> None:
        super().__init__(order)
        self._order = list(order)
        self._criteria = criteria
        self._values = dict(values)

    def know(self, values: Mapping[int, tuple[Value, ...]]) -> None:
        """What messages that are about to join are compared by."""
        self._values.update(values)

    def leave(self, uids: Collection[int]) -> Sequence[Run]:
        """From the last place to the first, so that each place is right when its turn comes."""
        gone = self.members.intersection(uids)
        if not gone:
            return []
        runs = _runs(self._order, gone)
        self._order = [uid for uid in self._order if uid not in gone]
        self.members -= gone
        for uid in gone:
            self._values.pop(uid, None)
        return runs[::-1]

    def join(self, uids: Collection[int]) -> Sequence[Run]:
        """From the first place to the last. A message of which nothing is known stays out."""
        new = {uid for uid in uids if uid not in self.members and uid in self._values}
        if not new:
            return []
        self._order = arranged([*self._order, *sorted(new)], self._criteria, self._values)
        self.members |= new
        return _runs(self._order, new)


def arranged(uids: Iterable[int], criteria: Sequence[SortKey], values: Mapping[int, tuple[Value, ...]]) -> list[int]:
    """Sorted by the criteria, the first one counting most; equal ones by their UIDs (RFC 5256 §3)."""
    order = sorted(uids)
    for place in range(len(criteria) - 1, -1, -1):
        order.sort(key=lambda uid: values[uid][place], reverse=criteria[place].reverse)
    return order


def _runs(order: Sequence[int], chosen: Collection[int]) -> list[Run]:
    """The chosen ones as runs, by place."""
    runs: list[Run] = []
    start = 0
    run: list[int] = []
    for position, uid in enumerate(order, 1):
        if uid in chosen:
            if not run:
                start = position
            run.append(uid)
        elif run:
            runs.append(Run(start, tuple(run)))
            run = []
    return [*runs, Run(start, tuple(run))] if run else runs
