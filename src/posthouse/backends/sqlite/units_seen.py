"""Units of work for readers of a mailbox who do not own it: their own \\Seen, flags within their rights (RFC 4314 §5.1.1).

The owner's \\Seen stands among the flags, a reader's in the table ``seen``; all other flags are common. A change of either
raises the mailbox's mod-sequence by one, so one number tells every session whether it is up to date.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from posthouse.backends.sqlite.flag_blocks import chosen_rows
from posthouse.backends.sqlite.flag_changes import set_flags
from posthouse.backends.sqlite.seen_rows import reader_rows
from posthouse.backends.sqlite.uid_sets import to_ranges
from posthouse.backends.sqlite.units_message import append, copy
from posthouse.backends.sqlite.units_replace import replace
from posthouse.backends.sqlite.work import Work
from posthouse.model.flags import changed_flags, flag_bits, known_bits
from posthouse.model.mailbox import DELETED, SEEN
from posthouse.model.message_rows import MessageRows

_KEEP = "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)"


def store_reader_flags(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, ranges, action, flag names, unchanged_since or None, reader, mask]``; gives what ``store_flags`` does, as
    the reader has it. Bits outside ``mask`` stay as they are."""
    mailbox_id, ranges, action, names, unchanged_since, reader, mask = arguments
    account_id, _, _, before, words, _, _ = work.mailbox(mailbox_id)
    keywords = tuple(words.split())
    bits, grown = (known_bits(names, keywords), keywords) if action == "remove" else flag_bits(names, keywords)
    owners = chosen_rows(work.all, mailbox_id, ranges)
    modified: list[int] = []
    rows: list[tuple[int, int, int]] = []
    own: list[tuple[int, ...]] = []
    common: dict[int, int] = {}
    deleted = 0
    for (uid, old, at), flags in zip(reader_rows(work.all, mailbox_id, reader, owners), owners.flags, strict=True):
        if unchanged_since is not None and at > unchanged_since:
            modified.append(uid)
            continue
        new = old & ~mask | changed_flags(old, action, bits) & mask
        rows.append((uid, new, at if new == old else before + 1))
        if (new ^ old) & SEEN:
            own.append((mailbox_id, reader, uid, new & SEEN, before + 1))
        if (new ^ old) & ~SEEN:
            common[uid] = new & ~SEEN | flags & SEEN
            deleted += ((new & DELETED) - (old & DELETED)) // DELETED
    work.executemany(_KEEP, own)
    set_flags(work, mailbox_id, common, before + 1)
    mod_seq = before + bool(own or common)
    if mod_seq > before or grown != keywords:
        sql = "UPDATE mailbox SET mod_seq = ?, keywords = ?, deleted = deleted + ? WHERE mailbox_id = ?"
        work.execute(sql, (mod_seq, " ".join(grown), deleted, mailbox_id))
        work.touch(mailbox_id, account_id, mod_seq)
    return [MessageRows.of(rows).packed(), modified, mod_seq, before]


def append_as(work: Work, arguments: list[Any]) -> Any:
    """``[arguments of append, [reader who has seen it or 0, ...]]``; gives what ``append`` does."""
    mailbox_id = arguments[0][0]
    result = append(work, arguments[0])
    _mark_seen(work, mailbox_id, zip(arguments[1], result[1], strict=True))
    return result


def replace_as(work: Work, arguments: list[Any]) -> Any:
    """``[arguments of replace, reader who has seen the new one]``; gives what ``replace`` does."""
    target_id = arguments[0][2]
    result = replace(work, arguments[0])
    _mark_seen(work, target_id, [(arguments[1], result[1])])
    return result


def copy_as(work: Work, arguments: list[Any]) -> Any:
    """``[arguments of copy, reader, target_reader, mask]``; gives what ``copy`` does. A reader of 0 is the owner.

    The copies have those of the flags that the reader sees which ``mask`` allows."""
    copied, reader, target_reader, mask = arguments
    mailbox_id, ranges, target_id = copied[:3]
    seen: dict[int, int] = {}
    if reader:
        owners = chosen_rows(work.all, mailbox_id, ranges)
        seen = {uid: flags & SEEN for uid, flags, _ in reader_rows(work.all, mailbox_id, reader, owners)}
    result = copy(work, copied)
    sources, made = result[1], result[2]
    rows = chosen_rows(work.all, target_id, to_ranges(made))
    wanted = {
        new: (flags & ~SEEN | seen[old] if reader else flags) & mask
        for old, new, flags in zip(sources, made, rows.flags, strict=True)
    }
    _correct(work, target_id, rows, {uid: bits & ~SEEN if target_reader else bits for uid, bits in wanted.items()})
    if target_reader:
        _mark_seen(work, target_id, [(target_reader, uid) for uid, bits in wanted.items() if bits & SEEN])
    return result


def _mark_seen(work: Work, mailbox_id: int, pairs: Iterable[tuple[int, int]]) -> None:
    """(reader, UID) of messages that have just come; a reader of 0 is nobody."""
    row = work.one("SELECT mod_seq FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
    assert row is not None, "messages were added to it just now"
    work.executemany(_KEEP, [(mailbox_id, reader, uid, 1, row[0]) for reader, uid in pairs if reader])


def _correct(work: Work, mailbox_id: int, rows: MessageRows, wanted: dict[int, int]) -> None:
    """Gives messages that have just come the flags that they should have."""
    changed = [(uid, flags, wanted[uid]) for uid, flags, _ in rows if wanted[uid] != flags]
    set_flags(work, mailbox_id, {uid: new for uid, _, new in changed}, None)
    unseen = sum((old & SEEN) - (new & SEEN) for _, old, new in changed)
    deleted = sum((new & DELETED) - (old & DELETED) for _, old, new in changed) // DELETED
    sql = "UPDATE mailbox SET unseen = unseen + ?, deleted = deleted + ? WHERE mailbox_id = ?"
    work.execute(sql, (unseen, deleted, mailbox_id))
