"""UIDs as they cross the gate and reach SQL: ``[first, last]`` ranges, so that 1:1000 is one comparison, not a thousand.

``Chosen`` turns them into a condition on ``message.uid``: a BETWEEN for one range, a list as JSON for many.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Ranges = list[list[int]]
EVERYTHING: Ranges = [[1, (1 << 32) - 1]]


def to_ranges(uids: Iterable[int]) -> Ranges:
    """Ascending ranges of consecutive UIDs, without duplicates."""
    if isinstance(uids, range) and uids.step == 1:
        return [[uids.start, uids.stop - 1]] if uids else []
    ranges: Ranges = []
    last = -1
    listed = _ascending(uids)
    if listed and listed[-1] - listed[0] + 1 == len(listed) == len(set(listed)):
        return [[listed[0], listed[-1]]]
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
