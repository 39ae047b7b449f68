"""Sequence sets: message numbers and UIDs (RFC 9051 §9 ``sequence-set``, RFC 5182 ``$``).

A set stays a list of ranges; it is never spread out beyond the messages that exist, however large the client's numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STAR = 0
MAX_NUMBER = 0xFFFF_FFFF

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """``ranges`` as the client wrote them, ``STAR`` (0) for ``*``; or ``saved``: ``$``, the result of the last SEARCH SAVE.

    ``$`` has no ranges here: the session knows what it stands for.
    """

    ranges: tuple[Range, ...]
    saved: bool = False

    def resolve(self, largest: int) -> list[Range]:
        """Sorted, disjoint ranges within 1..``largest``; ``*`` means ``largest``; nothing at all if that is 0."""
        return [(low, min(high, largest)) for low, high in self._spread(largest) if low <= largest] if largest else []

    def numbers(self, largest: int) -> list[int]:
        """All numbers within 1..``largest`` that the set names, ascending."""
        out: list[int] = []
        for low, high in self.resolve(largest):
            out += range(low, high + 1)
        return out

    def among(self, uids: Sequence[int]) -> list[int]:
        """Those of the ascending ``uids`` that the set names; ``*`` is the last of them.

        A range ``n:*`` always has the last one in it, also when n is greater (RFC 9051 §9).
        """
        if not uids:
            return []
        out: list[int] = []
        for low, high in self._spread(uids[-1]):
            out += uids[bisect_left(uids, low) : bisect_right(uids, high)]
        return out

    def _spread(self, largest: int) -> list[Range]:
        """``*`` replaced, ends in order, sorted, merged; not clamped."""
        spread = [(low or largest, high or largest) for low, high in self.ranges]
        if len(spread) == 1:
            low, high = spread[0]
            return spread if low <= high else [(high, low)]
        return merge(sorted((low, high) if low <= high else (high, low) for low, high in spread))


SAVED = SequenceSet((), saved=True)


def merge(ranges: Iterable[Range]) -> list[Range]:
    """Ascending ``ranges`` with those that touch or overlap made one."""
    out: list[Range] = []
    for low, high in ranges:
        if out and low <= out[-1][1] + 1:
            if high > out[-1][1]:
                out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return out


def to_ranges(numbers: Sequence[int]) -> list[Range]:
    """Runs of ``numbers`` that go up by one, in their order (it matters in COPYUID, RFC 9051 §7.1)."""
    if not numbers:
        return []
    out: list[Range] = []
    start = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            out.append((start, last))
            start = number
        last = number
    out.append((start, last))
    return out


def to_text(numbers: Sequence[int]) -> bytes:
    """``numbers`` in their order as a sequence set with runs closed up: ``1:5,7``. Empty for none."""
    return b",".join([b"%d:%d" % (low, high) if low != high else b"%d" % low for low, high in to_ranges(numbers)])
