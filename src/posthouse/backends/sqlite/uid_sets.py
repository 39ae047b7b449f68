"""UIDs as they cross the gate and reach SQL: ``[first, last]`` ranges, so that 1:1000 is one comparison, not a thousand.

``Chosen`` turns them into a condition on ``message.uid``: a BETWEEN for one range, a list as JSON for many.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Ranges = list[list[int]]
EVERYTHING: Ranges = [[1, (1 << 32) - 1]]


def to_ranges(uids: Iterable[int]) -> Ranges:
    """Ascending ranges of consecutive UIDs, without duplicates. An array or a range has each UID once, in ascending order."""
    listed = uids if isinstance(uids, (array, range)) else _ascending(uids)
    if not listed:
        return []
    if listed is uids and listed[-1] - listed[0] + 1 == len(listed):
        return [[listed[0], listed[-1]]]
    ranges: Ranges = []
    last = -1
    for uid in listed:
        if uid == last + 1 and ranges:
            ranges[-1][1] = uid
        elif uid != last:
            ranges.append([uid, uid])
        last = uid
    return ranges


def _ascending(uids: Iterable[int]) -> Sequence[int]:
    listed = list(uids)
    listed.sort()  # linear when they are in order already
    return listed


@dataclass(frozen=True, slots=True)
class Chosen:
    """A condition for WHERE with its bindings, which follow the others of the statement."""

    condition: str
    bindings: tuple[int | str, ...]

    @classmethod
    def of(cls, ranges: Sequence[Sequence[int]]) -> Chosen:
        """Of ascending ranges; none at all chooses nothing."""
        if len(ranges) == 1:
            return cls("uid BETWEEN ? AND ?", (ranges[0][0], ranges[0][1]))
        listed = [uid for first, last in ranges for uid in range(first, last + 1)]
        return cls("uid IN (SELECT value FROM json_each(?))", (json.dumps(listed),))
