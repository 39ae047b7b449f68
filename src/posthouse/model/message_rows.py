"""Many messages' changing facts as three columns: UID, flags, mod-sequence, in as few octets as their values need.

A mailbox of a million messages is 9 MB in this form, made, copied and compared without an object for each message. To those
who read it it is a sequence of ``MessageRow``. The arrays belong to it: nobody changes them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

NARROW_FLAGS, NARROW_MOD_SEQS, WIDE = "B", "I", "Q"
Packed = tuple[str, bytes, bytes, bytes]


class MessageRow(NamedTuple):
    """What changes about a message: the columns a mailbox view is made of. ``flags`` as in ``model.mailbox``."""

    uid: int
    flags: int
    mod_seq: int


class MessageRows(Sequence[MessageRow]):
    """In ascending UID order. ``flags`` and ``mod_seqs`` are narrow arrays while all values fit, else wide ones."""

    __slots__ = ("flags", "mod_seqs", "uids")

    def __init__(self, uids: array[int], flags: array[int], mod_seqs: array[int]) -> None:
        self.uids = uids
        self.flags = flags
        self.mod_seqs = mod_seqs

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int]]) -> MessageRows:
        """From (UID, flags, mod-sequence); what has the form already is given back as it is."""
        if type(rows) is cls:  # not by isinstance, which asks the abstract class in Python
            return rows
        columns = tuple(zip(*rows, strict=True)) or ((), (), ())
        return cls(array("I", columns[0]), flags_column(columns[1]), mod_seqs_column(columns[2]))

    def packed(self) -> Packed:
        """For ``unpacked``, on a machine of the same kind."""
        return self.flags.typecode + self.mod_seqs.typecode, bytes(self.uids), bytes(self.flags), bytes(self.mod_seqs)

    @classmethod
    def unpacked(cls, packed: Packed) -> MessageRows:
        """What ``packed`` gave."""
        codes, uids, flags, mod_seqs = packed
        return cls(array("I", uids), array(codes[0], flags), array(codes[1], mod_seqs))

    def at(self, places: Sequence[int]) -> MessageRows:
        """Some of the rows, by ascending places."""
        if len(places) == len(self):
            return self
        if places and places[-1] - places[0] + 1 == len(places):
            return self[places[0] : places[-1] + 1]
        columns = self.uids, self.flags, self.mod_seqs
        return MessageRows(*[array(column.typecode, [column[at] for at in places]) for column in columns])

    def all_of(self, mod_seq: int) -> bool:
        """Whether all rows are of this one change."""
        return self.mod_seqs == mod_seqs_column([mod_seq]) * len(self)

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[MessageRow]:
        return map(MessageRow, self.uids, self.flags, self.mod_seqs)

    @overload
    def __getitem__(self, at: int) -> MessageRow: ...
    @overload
    def __getitem__(self, at: slice) -> MessageRows: ...
    def __getitem__(self, at: int | slice) -> MessageRow | MessageRows:
        if isinstance(at, slice):
            return MessageRows(self.uids[at], self.flags[at], self.mod_seqs[at])
        return MessageRow(self.uids[at], self.flags[at], self.mod_seqs[at])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MessageRows):
            return self.uids == other.uids and self.flags == other.flags and self.mod_seqs == other.mod_seqs
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"MessageRows.of({list(self)})"


NO_ROWS = MessageRows(array("I"), array(NARROW_FLAGS), array(NARROW_MOD_SEQS))


def flags_column(values: Sequence[int]) -> array[int]:
    """A column of flags."""
    try:
        return array(NARROW_FLAGS, values)
    except OverflowError:
        return array(WIDE, values)


def mod_seqs_column(values: Sequence[int]) -> array[int]:
    """A column of mod-sequences."""
    try:
        return array(NARROW_MOD_SEQS, values)
    except OverflowError:
        return array(WIDE, values)


def like(column: array[int], other: array[int]) -> array[int]:
    """``column`` itself, or wide if ``other`` is: two of one width can be put together."""
    return column if column.typecode == other.typecode or column.typecode == WIDE else array(WIDE, column)
