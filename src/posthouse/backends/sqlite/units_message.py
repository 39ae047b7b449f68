"""Units of work on messages: append, store_flags, copy and move (RFC 9051 §6.4, RFC 7162); ``units_undelete`` has expunge.

Each change raises the mailbox's mod-sequence by one; the mailbox's counters change in the same statement, so that they are
right at every commit. Flags and mod-sequences are changed in blocks (``flag_changes.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from posthouse.backends.sqlite import flag_changes
from posthouse.backends.sqlite.flag_blocks import counted
from posthouse.backends.sqlite.quota import Packed, grow
from posthouse.backends.sqlite.seen_rows import forget_seen
from posthouse.backends.sqlite.trees import trees_of
from posthouse.backends.sqlite.uid_sets import EVERYTHING, Chosen, Ranges, to_ranges
from posthouse.backends.sqlite.units_bodies import keep_body
from posthouse.backends.sqlite.work import Row, Work
from posthouse.base.errors import NotFound
from posthouse.model.flags import flag_bits, known_bits, translated
from posthouse.model.message_rows import MessageRows
from posthouse.model.quota import Growth
from posthouse.model.tree_quota import check_trees
from posthouse.model.undelete import is_shadow, refuse_shadow

DAY_S = 86_400.0
_NONE = (0, 0)
_INSERT = "INSERT INTO message VALUES (?1, ?2, ?5, ?6, ?7, ?8)"
_SELECT = "SELECT uid, size_bytes, body_id, received_at, saved_at FROM message WHERE mailbox_id = ? AND {} ORDER BY uid LIMIT ?"
_VANISH = "INSERT INTO vanished SELECT mailbox_id, ?, uid, ? FROM message WHERE mailbox_id = ? AND {}"
_DELETE = "DELETE FROM message WHERE mailbox_id = ? AND {}"


def append(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, [[parcel, flag names, received_at or None], ...], allowed, name it must have or ""]``; gives
    ``[uid_validity, uids, packed rows, mod_seq, mod_seq before]``."""
    mailbox_id, messages, allowed, called = arguments
    account_id, uid_validity, uid_next, before, words, _, name = work.mailbox(mailbox_id)
    if called and called != name:
        raise NotFound("There is no such mailbox")
    refuse_shadow(name)
    growth = Growth(sum(message[0][1] for message in messages), len(messages))
    grow(work, account_id, allowed, growth)
    check_trees(trees_of(work.all, account_id), name, growth)
    known = keywords = tuple(words.split())
    mod_seq = before + bool(messages)
    rows: list[Row] = []
    for parcel, names, received_at in messages:
        flags, keywords = flag_bits(names, keywords)
        received_at = work.now if received_at is None else received_at
        body_id = keep_body(work, parcel)
        rows.append((mailbox_id, uid_next + len(rows), flags, mod_seq, body_id, parcel[1], received_at, work.now))
    insert(work, mailbox_id, rows)
    grow_mailbox(work, mailbox_id, rows, mod_seq, keywords)
    work.touch(mailbox_id, account_id, mod_seq)
    added = MessageRows.of([row[1:4] for row in rows]).packed()
    return [uid_validity, [row[1] for row in rows], added, mod_seq, before if keywords == known else 0]


def store_flags(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, ranges, action, flag names, unchanged_since or None]``; gives
    ``[packed rows, modified, mod_seq, mod_seq before]``."""
    mailbox_id, ranges, action, names, unchanged_since = arguments
    account_id, _, _, before, words, _, _ = work.mailbox(mailbox_id)
    keywords = tuple(words.split())
    bits, grown = (known_bits(names, keywords), keywords) if action == "remove" else flag_bits(names, keywords)
    done = flag_changes.store(work, mailbox_id, ranges, action, bits, before + 1, unchanged_since)
    mod_seq = before + bool(done.changes)
    if done.changes or grown != keywords:
        work.execute(
            "UPDATE mailbox SET mod_seq = ?, keywords = ?, unseen = unseen + ?, deleted = deleted + ? WHERE mailbox_id = ?",
            (mod_seq, " ".join(grown), done.unseen, done.deleted, mailbox_id),
        )
        work.touch(mailbox_id, account_id, mod_seq)
    return [done.rows.packed(), done.modified, mod_seq, before]


def copy(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, ranges, target_id, move, allowed]``; gives ``[uid_validity, source_uids, target_uids]``."""
    mailbox_id, ranges, target_id, move, allowed = arguments
    return transfer(work, mailbox_id, ranges, target_id, move=move, allowed=allowed)


def transfer(
    work: Work, mailbox_id: int, ranges: Ranges | None, target_id: int, *, move: bool, allowed: Packed = None
) -> list[Any]:
    """Copies or moves the chosen messages (all of them for None), as ``copy``. Moving within an account is free."""
    account_id, _, _, mod_seq, words, _, name = work.mailbox(mailbox_id)
    target_account, uid_validity, uid_next, target_mod_seq, target_words, _, target_name = work.mailbox(target_id)
    refuse_shadow(target_name)
    found = messages(work, mailbox_id, EVERYTHING if ranges is None else ranges)
    if not found:
        return [uid_validity, [], []]
    growth = Growth(sum(row[2] for row in found), len(found))
    within = move and target_account == account_id
    if not within or is_shadow(name):
        grow(work, target_account, allowed, growth)
    check_trees(trees_of(work.all, target_account), target_name, growth, source=name if within else "")
    source_keywords, keywords = tuple(words.split()), tuple(target_words.split())
    target_mod_seq += 1
    rows: list[Row] = []
    for _, flags, size_bytes, body_id, received_at, _, _ in found:
        bits, keywords = translated(flags, source_keywords, keywords)
        uid = uid_next + len(rows)
        rows.append((target_id, uid, bits, target_mod_seq, body_id, size_bytes, received_at, work.now))
    insert(work, target_id, rows)
    grow_mailbox(work, target_id, rows, target_mod_seq, keywords)
    if move:
        if mailbox_id == target_id:
            mod_seq = target_mod_seq - 1
        remove(work, mailbox_id, found, mod_seq + 1)
        work.touch(mailbox_id, account_id, mod_seq + 1)
    work.touch(target_id, target_account, target_mod_seq)
    return [uid_validity, [row[0] for row in found], [row[1] for row in rows]]


def messages(work: Work, mailbox_id: int, ranges: Ranges, limit: int = -1) -> list[Row]:
    """(uid, flags, size_bytes, body_id, received_at, mod_seq, saved_at) of the chosen messages, at most ``limit`` of them."""
    chosen = Chosen.of(ranges)
    found = work.all(_SELECT.format(chosen.condition), (mailbox_id, *chosen.bindings, limit))
    flags = flag_changes.flags_of(work, mailbox_id, to_ranges([row[0] for row in found]))
    return [
        (uid, flags.get(uid, _NONE)[0], size_bytes, body_id, received_at, flags.get(uid, _NONE)[1], saved_at)
        for uid, size_bytes, body_id, received_at, saved_at in found
    ]


def insert(work: Work, mailbox_id: int, rows: list[Row]) -> None:
    """New messages: (mailbox_id, uid, flags, mod_seq, body_id, size_bytes, received_at, saved_at), UIDs ascending."""
    work.executemany(_INSERT, rows)
    flag_changes.add(work, mailbox_id, [row[1:4] for row in rows])


def grow_mailbox(work: Work, mailbox_id: int, rows: list[Row], mod_seq: int, keywords: Iterable[str]) -> None:
    """The mailbox's row after ``rows`` of ``message`` were added."""
    unseen, deleted = counted([row[2] for row in rows])
    work.execute(
        "UPDATE mailbox SET uid_next = uid_next + ?, mod_seq = ?, message_count = message_count + ?, unseen = unseen + ?,"
        " deleted = deleted + ?, size_bytes = size_bytes + ?, keywords = ? WHERE mailbox_id = ?",
        (len(rows), mod_seq, len(rows), unseen, deleted, sum(row[5] for row in rows), " ".join(keywords), mailbox_id),
    )


def drop(work: Work, mailbox_id: int, last_uid: int) -> None:
    """The rows of a deleted mailbox's messages up to ``last_uid`` go; what becomes of their bodies is the caller's business."""
    work.execute("DELETE FROM message WHERE mailbox_id = ? AND uid <= ?", (mailbox_id, last_uid))
    flag_changes.remove(work, mailbox_id, [[1, last_uid]])


def remove(work: Work, mailbox_id: int, gone: list[Row], mod_seq: int) -> None:
    """Takes ``gone``, rows of (uid, flags, size_bytes, ...) in ascending order, out of a mailbox."""
    forget_seen(work, mailbox_id, gone)
    ranges = to_ranges([row[0] for row in gone])
    chosen = Chosen.of(ranges)
    work.execute(_VANISH.format(chosen.condition), (mod_seq, int(work.now // DAY_S), mailbox_id, *chosen.bindings))
    work.execute(_DELETE.format(chosen.condition), (mailbox_id, *chosen.bindings))
    flag_changes.remove(work, mailbox_id, ranges)
    unseen, deleted = counted([row[1] for row in gone])
    work.execute(
        "UPDATE mailbox SET mod_seq = ?, message_count = message_count - ?, unseen = unseen - ?, deleted = deleted - ?,"
        " size_bytes = size_bytes - ? WHERE mailbox_id = ?",
        (mod_seq, len(gone), unseen, deleted, sum(row[2] for row in gone), mailbox_id),
    )
