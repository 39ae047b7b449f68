"""What units of work do to flags and mod-sequences (``flag_blocks.py``): new messages, gone ones, STORE.

Whoever adds or removes rows of ``message`` calls this in the same unit. Counters of the mailbox are the caller's business.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import ne

from posthouse.backends.sqlite.flag_blocks import (
    UID_BITS,
    Columns,
    block_of,
    chosen_rows,
    packed,
    places_of,
    spans_of,
    uids_column,
    unpacked,
    unpacked_block,
)
from posthouse.backends.sqlite.work import Work
from posthouse.interfaces.sharing import FlagAction
from posthouse.model.flags import changed_flags
from posthouse.model.mailbox import DELETED, SEEN
from posthouse.model.message_rows import NARROW_FLAGS, NO_ROWS, MessageRows, flags_column, like, mod_seqs_column

NARROW = 256
_BITS = {bit: bytes([bool(flags & bit) for flags in range(NARROW)]) for bit in (SEEN, DELETED)}
_APPEND = (
    "INSERT INTO flag_block VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (block_id) DO UPDATE SET"
    " mod_seq = max(mod_seq, excluded.mod_seq), uids = CAST(uids || excluded.uids AS BLOB),"
    " flags = CAST(flags || excluded.flags AS BLOB), mod_seqs = CAST(mod_seqs || excluded.mod_seqs AS BLOB)"
    " WHERE length(flags) * length(excluded.uids) = length(excluded.flags) * length(uids)"
    " AND length(mod_seqs) * length(excluded.uids) = length(excluded.mod_seqs) * length(uids)"
)
_WRITE = (
    "INSERT INTO flag_block VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (block_id) DO UPDATE SET"
    " mod_seq = excluded.mod_seq, uids = excluded.uids, flags = excluded.flags, mod_seqs = excluded.mod_seqs"
)
_CHANGE = "UPDATE flag_block SET mod_seq = ?, flags = ?, mod_seqs = ? WHERE block_id = ?"
_BLOCKS = "SELECT block_id, uids, flags, mod_seqs FROM flag_block WHERE block_id BETWEEN ? AND ? ORDER BY block_id"


@dataclass(slots=True)
class Stored:
    """What STORE did: ``rows`` after it, how many ``changes`` are among them, by how much the counters of unseen and deleted
    messages moved, and the UIDs that had been ``modified`` since (RFC 7162 §3.1.3)."""

    rows: MessageRows
    modified: list[int]
    changes: int = 0
    unseen: int = 0
    deleted: int = 0


def blocks(work: Work, mailbox_id: int, ranges: Sequence[Sequence[int]]) -> Iterator[tuple[int, MessageRows]]:
    """(block_id, rows) of the blocks that hold messages of ascending ranges of UIDs."""
    for span in spans_of(mailbox_id, ranges):
        for block_id, uids, flags, mod_seqs in work.all(_BLOCKS, span):
            yield block_id, unpacked_block(uids, flags, mod_seqs)


def add(work: Work, mailbox_id: int, rows: Sequence[tuple[int, int, int]]) -> None:
    """New messages: (UID, flags, mod-sequence), UIDs ascending and above all that are there."""
    for block, members in groupby(rows, _block):
        added = MessageRows.of(members)
        block_id = block_of(mailbox_id, block << UID_BITS)
        work.execute(_APPEND, (block_id, mailbox_id, max(added.mod_seqs), *packed(added)))
        if not work.connection.changes():  # of other widths
            for _, held in blocks(work, mailbox_id, [(added.uids[0], added.uids[0])]):
                write(work, mailbox_id, block_id, MessageRows.of([*held, *added]))


def remove(work: Work, mailbox_id: int, ranges: Sequence[Sequence[int]]) -> None:
    """Forgets the messages in ascending ranges of UIDs."""
    for block_id, held in blocks(work, mailbox_id, ranges):
        gone = places_of(held.uids, ranges)
        if len(gone) == len(held):
            work.execute("DELETE FROM flag_block WHERE block_id = ?", (block_id,))
        elif gone:
            drop = frozenset(gone)
            write(work, mailbox_id, block_id, held.at([at for at in range(len(held)) if at not in drop]))


def _block(row: tuple[int, int, int]) -> int:
    return row[0] >> UID_BITS


def write(work: Work, mailbox_id: int, block_id: int, rows: MessageRows) -> None:
    """A whole block, which has rows."""
    work.execute(_WRITE, (block_id, mailbox_id, max(rows.mod_seqs), *packed(rows)))


def flags_of(work: Work, mailbox_id: int, ranges: Sequence[Sequence[int]]) -> Mapping[int, tuple[int, int]]:
    """(flags, mod-sequence) by UID."""
    rows = chosen_rows(work.all, mailbox_id, ranges)
    return dict(zip(rows.uids, zip(rows.flags, rows.mod_seqs, strict=True), strict=True))


def set_flags(work: Work, mailbox_id: int, wanted: Mapping[int, int], mod_seq: int | None) -> None:
    """Gives messages these flags, by UID, and ``mod_seq`` unless it is None."""
    for block_id, held in blocks(work, mailbox_id, [(uid, uid) for uid in sorted(wanted)]):
        made = [(uid, wanted.get(uid, old), at if mod_seq is None or uid not in wanted else mod_seq) for uid, old, at in held]
        write(work, mailbox_id, block_id, MessageRows.of(made))


def store(
    work: Work,
    mailbox_id: int,
    ranges: Sequence[Sequence[int]],
    action: FlagAction,
    bits: int,
    mod_seq: int,
    unchanged_since: int | None,
) -> Stored:
    """Changes the flags of the messages in ascending ranges of UIDs; those that change get ``mod_seq``."""
    out = Stored(NO_ROWS, [])
    done: list[Columns] = []
    writes: list[tuple[int, bytes, bytes, int]] = []
    table = _table(action, bits) if bits < NARROW and unchanged_since is None and not mod_seq >> 32 else b""
    found = [row for span in spans_of(mailbox_id, ranges) for row in work.all(_BLOCKS, span)]
    if table and len(ranges) == 1 and all(len(row[2]) * 4 == len(row[1]) == len(row[3]) for row in found):
        changed = _stored_alike(found, ranges[0], table, mod_seq, out)
        if changed is not None:
            work.executemany(_CHANGE, changed)
            return out
    for block_id, *columns in found:
        if table and _is_whole(columns, ranges):
            after = _stored_whole(columns, table, mod_seq, out)
            if after[1] != columns[1]:
                writes.append((mod_seq, *after[1:], block_id))
            done.append(after)
            continue
        held = unpacked_block(*columns)
        places = places_of(held.uids, ranges)
        if unchanged_since is not None:
            late = [at for at in places if held.mod_seqs[at] > unchanged_since]
            out.modified += [held.uids[at] for at in late]
            places = [at for at in places if held.mod_seqs[at] <= unchanged_since] if late else places
        if not places:
            continue
        made = _stored(held, places, action, bits, mod_seq, out)
        if made is not held:
            writes.append((mod_seq, *packed(made)[1:], block_id))
        done.append(packed(made.at(places)))
    work.executemany(_CHANGE, writes)
    out.rows = unpacked(done)
    return out


def _stored_alike(
    found: Sequence[tuple[int, bytes, bytes, bytes]], span: Sequence[int], table: bytes, mod_seq: int, out: Stored
) -> list[tuple[int, bytes, bytes, int]] | None:
    """STORE to one range of narrow blocks that changes all of its messages or none, the usual case: all blocks in one go.
    What is to be written (``_CHANGE``), and ``out`` filled; None if it is another case."""
    cuts = [(0, len(flags)) for _, _, flags, _ in found]
    if found:  # only the first and the last can lie partly outside
        cuts[0] = bisect_left(uids_column(found[0][1]), span[0]), cuts[0][1]
        cuts[-1] = cuts[-1][0], bisect_right(uids_column(found[-1][1]), span[1])
    old = b"".join([row[2][start:end] for row, (start, end) in zip(found, cuts, strict=True)])
    new = old.translate(table)
    kept = new == old
    if not kept and _same(old, new):
        return None
    uids = b"".join([row[1][4 * start : 4 * end] for row, (start, end) in zip(found, cuts, strict=True)])
    if kept:
        mod_seqs = b"".join([row[3][4 * start : 4 * end] for row, (start, end) in zip(found, cuts, strict=True)])
        out.rows = unpacked([(uids, old, mod_seqs)])
        return []
    out.changes = len(old)
    _count_narrow(old, new, out)
    stamp = mod_seq.to_bytes(4, "little")
    out.rows = unpacked([(uids, new, stamp * len(new))])
    writes = []
    at = 0
    for (block_id, _, flags, mod_seqs), (start, end) in zip(found, cuts, strict=True):
        fresh, at = new[at : at + end - start], at + end - start
        if fresh:
            stamps = mod_seqs[: 4 * start] + stamp * len(fresh) + mod_seqs[4 * end :]
            writes.append((mod_seq, flags[:start] + fresh + flags[end:], stamps, block_id))
    return writes


def _is_whole(columns: Sequence[bytes], ranges: Sequence[Sequence[int]]) -> bool:
    """Whether a block is narrow, and one of the ranges has all of it."""
    uids, flags, mod_seqs = columns
    if not flags or not len(flags) * 4 == len(uids) == len(mod_seqs):
        return False
    at = bisect_right(ranges, int.from_bytes(uids[:4], "little"), key=_first) - 1
    return at >= 0 and ranges[at][1] >= int.from_bytes(uids[-4:], "little")


def _first(pair: Sequence[int]) -> int:
    return pair[0]


def _stored_whole(columns: Sequence[bytes], table: bytes, mod_seq: int, out: Stored) -> Columns:
    """A narrow block's columns after STORE to all of it, octet by octet; ``out`` counts."""
    uids, old, mod_seqs = columns
    new = old.translate(table)
    if new == old:
        return uids, old, mod_seqs
    changes = len(old) - _same(old, new)
    out.changes += changes
    if table[0] & (SEEN | DELETED) or not table[SEEN] & SEEN or not table[DELETED] & DELETED:
        _count_narrow(old, new, out)
    stamp = mod_seq.to_bytes(4, "little")
    if changes == len(old):
        return uids, new, stamp * len(new)
    kept = (mod_seqs[at : at + 4] for at in range(0, len(mod_seqs), 4))
    stamped = [one if before == after else stamp for one, before, after in zip(kept, old, new, strict=True)]
    return uids, new, b"".join(stamped)


def _stored(held: MessageRows, places: Sequence[int], action: FlagAction, bits: int, mod_seq: int, out: Stored) -> MessageRows:
    """A block after STORE to some of its places, the same one if nothing changed; ``out`` counts."""
    column = held.flags
    old = (
        column[places.start : places.stop]
        if isinstance(places, range)
        else array(column.typecode, [column[at] for at in places])
    )
    new = _new_flags(old, action, bits)
    if new == old:
        return held
    before = out.changes
    _count(old, new, out)
    stamp = mod_seqs_column([mod_seq])
    flags, mod_seqs = like(held.flags, new)[:], like(held.mod_seqs, stamp)[:]
    if isinstance(places, range):
        flags[places.start : places.stop] = like(new, flags)
    else:
        for at, value in zip(places, new, strict=True):
            flags[at] = value
    if out.changes - before == len(mod_seqs):
        return MessageRows(held.uids, flags, stamp * len(mod_seqs))
    for at, one, other in zip(places, old, new, strict=True):
        if one != other:
            mod_seqs[at] = mod_seq
    return MessageRows(held.uids, flags, mod_seqs)


def _count(old: array[int], new: array[int], out: Stored) -> None:
    if old.typecode == new.typecode == NARROW_FLAGS:
        before, after = old.tobytes(), new.tobytes()
        out.changes += len(before) - _same(before, after)
        _count_narrow(before, after, out)
        return
    out.changes += sum(map(ne, old, new))
    out.unseen += sum(map(SEEN.__and__, old)) - sum(map(SEEN.__and__, new))
    out.deleted += (sum(map(DELETED.__and__, new)) - sum(map(DELETED.__and__, old))) // DELETED


def _count_narrow(before: bytes, after: bytes, out: Stored) -> None:
    out.unseen += _with(before, SEEN) - _with(after, SEEN)
    out.deleted += _with(after, DELETED) - _with(before, DELETED)


def _same(one: bytes, other: bytes) -> int:
    """How many octets are the same in both."""
    difference = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return difference.to_bytes(len(one), "little").count(0)


def _with(flags: bytes, bit: int) -> int:
    """How many narrow flags have ``bit``."""
    return flags.translate(_BITS[bit]).count(1)


def _new_flags(old: array[int], action: FlagAction, bits: int) -> array[int]:
    """What STORE makes of flags (RFC 9051 §6.4.6). Narrow ones are translated octet by octet."""
    if bits < NARROW and old.typecode == NARROW_FLAGS:
        return array(NARROW_FLAGS, old.tobytes().translate(_table(action, bits)))
    if action == "add":
        return flags_column([flags | bits for flags in old])
    if action == "remove":
        return flags_column([flags & ~bits for flags in old])
    return flags_column([bits] * len(old))


@lru_cache(maxsize=1024)
def _table(action: FlagAction, bits: int) -> bytes:
    return bytes([changed_flags(flags, action, bits) for flags in range(NARROW)])
