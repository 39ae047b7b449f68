"""Flags and mod-sequences as ``mail.db`` keeps them: packed, the messages of 128 neighbouring UIDs in a row of ``flag_block``.

What changes about messages stands apart from what does not (``message``), in columns of plain numbers: a thousand flags are
changed by writing eight rows, and a million are read in some milliseconds, without an object or an index entry for each. A
block's ``mod_seq`` is the highest in it, so what happened since is found by index. Numbers are little-endian; flags take one
octet each while all of a block fit, else eight; mod-sequences four, else eight. Here is the form, and what readers and the
writing thread do to it in the same way; ``flag_changes.py`` changes it.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from posthouse.base.errors import Temporary
from posthouse.model.mailbox import DELETED, SEEN
from posthouse.model.message_rows import NARROW_FLAGS, NARROW_MOD_SEQS, WIDE, MessageRows, like

UID_BITS = 7
BLOCK_BITS = 32 - UID_BITS
LAST_UID = (1 << 32) - 1

_TABLES = """
CREATE TABLE flag_block (
    block_id INTEGER PRIMARY KEY,
    mailbox_id INTEGER NOT NULL,
    mod_seq INTEGER NOT NULL,
    uids BLOB NOT NULL,
    flags BLOB NOT NULL,
    mod_seqs BLOB NOT NULL
) STRICT;
CREATE INDEX flag_block_by_change ON flag_block (mailbox_id, mod_seq);
"""
"""``block_id`` is ``block_of``: a mailbox's blocks are neighbours, in UID order."""


def _number(column: str, size: int) -> str:
    """SQL for the little-endian octets of all values of a group, in UID order."""
    shifted = ", ".join(f"{column} >> {8 * place} & 255" for place in range(size))
    return f"unhex(group_concat(printf('{'%02x' * size}', {shifted}), '' ORDER BY uid))"


SCHEMA = f"""
{_TABLES}
INSERT INTO flag_block SELECT (mailbox_id << {BLOCK_BITS}) | (uid >> {UID_BITS}), mailbox_id, max(mod_seq), {_number("uid", 4)},
    iif(max(flags) < 256, {_number("flags", 1)}, {_number("flags", 8)}),
    iif(max(mod_seq) < 1 << 32, {_number("mod_seq", 4)}, {_number("mod_seq", 8)})
FROM message GROUP BY mailbox_id, uid >> {UID_BITS};
DROP INDEX message_by_change;
ALTER TABLE message DROP COLUMN flags;
ALTER TABLE message DROP COLUMN mod_seq;
"""
"""Takes flags and mod-sequences out of ``message``, where they were before."""

_OF_SPAN = "SELECT uids, flags, mod_seqs FROM flag_block WHERE block_id BETWEEN ? AND ? ORDER BY block_id"
_CHANGED = "SELECT uids, flags, mod_seqs FROM flag_block WHERE mailbox_id = ? AND mod_seq > ? ORDER BY block_id"

Read = Callable[[str, tuple[Any, ...]], list[Any]]
Columns = tuple[bytes, bytes, bytes]


def block_of(mailbox_id: int, uid: int) -> int:
    """The block of a message."""
    return mailbox_id << BLOCK_BITS | uid >> UID_BITS


def spans_of(mailbox_id: int, ranges: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The blocks of ascending ranges of UIDs, as ranges of blocks that do not meet."""
    spans: list[tuple[int, int]] = []
    for first, last in ranges:
        low, high = block_of(mailbox_id, first), block_of(mailbox_id, min(last, LAST_UID))
        if spans and low <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], max(high, spans[-1][1])
        else:
            spans.append((low, high))
    return spans


def all_rows(read: Read, mailbox_id: int) -> MessageRows:
    """Of a whole mailbox; ``read`` gives the rows of a statement."""
    return unpacked(read(_OF_SPAN, (block_of(mailbox_id, 0), block_of(mailbox_id, LAST_UID))))


def chosen_rows(read: Read, mailbox_id: int, ranges: Sequence[Sequence[int]]) -> MessageRows:
    """Of the messages in ascending ranges of UIDs."""
    rows = unpacked([block for span in spans_of(mailbox_id, ranges) for block in read(_OF_SPAN, span)])
    return rows.at(places_of(rows.uids, ranges))


def changed_rows(read: Read, mailbox_id: int, since_mod_seq: int) -> MessageRows:
    """Of the messages that changed after a mod-sequence."""
    return changed(unpacked(read(_CHANGED, (mailbox_id, since_mod_seq))), since_mod_seq)


def changed(rows: MessageRows, since_mod_seq: int) -> MessageRows:
    """Those of the rows that changed after a mod-sequence."""
    return rows.at([at for at, mod_seq in enumerate(rows.mod_seqs) if mod_seq > since_mod_seq])


def unpacked(blocks: Sequence[Columns]) -> MessageRows:
    """Neighbouring blocks as one. Raises Temporary if they have not the form of blocks."""
    try:
        uids = _column("I", b"".join([block[0] for block in blocks]))
        flags = _joined([(block[1], len(block[1]) * 4 == len(block[0])) for block in blocks], NARROW_FLAGS)
        mod_seqs = _joined([(block[2], len(block[2]) == len(block[0])) for block in blocks], NARROW_MOD_SEQS)
    except ValueError as error:
        raise Temporary("The mailbox cannot be read now", cause=f"blocks of flags: {error}") from error
    if not len(uids) == len(flags) == len(mod_seqs):
        raise Temporary("The mailbox cannot be read now", cause="blocks of flags: columns of different lengths")
    return MessageRows(uids, flags, mod_seqs)


def unpacked_block(uids: bytes, flags: bytes, mod_seqs: bytes) -> MessageRows:
    """One block. Raises Temporary as ``unpacked``."""
    if len(flags) * 4 == len(uids) == len(mod_seqs):
        return MessageRows(_column("I", uids), _column(NARROW_FLAGS, flags), _column(NARROW_MOD_SEQS, mod_seqs))
    return unpacked([(uids, flags, mod_seqs)])


def places_of(uids: array[int], ranges: Sequence[Sequence[int]]) -> Sequence[int]:
    """Where in ascending ``uids`` the messages of the ranges stand."""
    if not uids:
        return range(0)
    found: list[int] = []
    start = max(bisect_right(ranges, uids[0], key=lambda pair: pair[0]) - 1, 0)
    for first, last in ranges[start:]:
        if first > uids[-1]:
            break
        places = range(bisect_left(uids, first), bisect_right(uids, last))
        if len(places) == len(uids):
            return places
        found += places
    if found and found[-1] - found[0] + 1 == len(found):
        return range(found[0], found[-1] + 1)
    return found


def uids_column(octets: bytes) -> array[int]:
    """The UIDs of one block's column."""
    return _column("I", octets)


def packed(rows: MessageRows) -> Columns:
    """One block's columns."""
    return _octets(rows.uids), _octets(rows.flags), _octets(rows.mod_seqs)


def counted(flags: Iterable[int]) -> tuple[int, int]:
    """How many are unseen, and how many deleted."""
    total = seen = deleted = 0
    for bits in flags:
        total += 1
        seen += bits & SEEN
        deleted += bits & DELETED
    return total - seen, deleted // DELETED


def _joined(columns: Sequence[tuple[bytes, bool]], code: str) -> array[int]:
    """One column of (octets, whether narrow): wide if one of them is."""
    if all(narrow for _, narrow in columns):
        return _column(code, b"".join([octets for octets, _ in columns]))
    out = array(WIDE)
    for octets, narrow in columns:
        out.extend(like(_column(code if narrow else WIDE, octets), out))
    return out


def _column(code: str, octets: bytes) -> array[int]:
    column = array(code)
    column.frombytes(octets)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _octets(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
