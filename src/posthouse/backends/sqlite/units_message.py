"""Units of work on messages: append, store_flags, copy and move (RFC 9051 §6.4, RFC 7162); ``units_undelete`` has expunge.

Each change raises the mailbox's mod-sequence by one; the mailbox's counters change in the same statement, so that they are
right at every commit. Sets of messages are changed by one statement each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from posthouse.backends.sqlite.quota import Packed, grow
from posthouse.backends.sqlite.seen_rows import forget_seen
from posthouse.backends.sqlite.trees import trees_of
from posthouse.backends.sqlite.uid_sets import Chosen
from posthouse.backends.sqlite.units_bodies import keep_body
from posthouse.backends.sqlite.work import Row, Work
from posthouse.model.flags import changed_flags, flag_bits, known_bits, translated
from posthouse.model.mailbox import DELETED, SEEN
from posthouse.model.quota import Growth
from posthouse.model.tree_quota import check_trees
from posthouse.model.undelete import is_shadow, refuse_shadow

INSERT_MESSAGE = "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
DAY_S = 86_400.0
_NEW_FLAGS = {"add": "flags | ?", "remove": "flags & ~ ?", "replace": "?"}
SELECT_MESSAGES = (
    "SELECT uid, flags, size_bytes, body_id, received_at, mod_seq FROM message WHERE mailbox_id = ? AND {} ORDER BY uid"
)
_CHANGE = "UPDATE message SET flags = {0}, mod_seq = ? WHERE mailbox_id = ? AND {1} AND flags <> ({0})"
_VANISH = "INSERT INTO vanished SELECT mailbox_id, ?, uid, ? FROM message WHERE mailbox_id = ? AND {}"
_DELETE = "DELETE FROM message WHERE mailbox_id = ? AND {}"


def append(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, [[parcel, flag names, received_at or None], ...], allowed]``; gives ``[uid_validity, uids]``."""
    mailbox_id, messages, allowed = arguments
    account_id, uid_validity, uid_next, mod_seq, words, _, name = work.mailbox(mailbox_id)
    refuse_shadow(name)
    growth = Growth(sum(message[0][1] for message in messages), len(messages))
    grow(work, account_id, allowed, growth)
    check_trees(trees_of(work.all, account_id), name, growth)
    keywords = tuple(words.split())
    mod_seq += bool(messages)
    rows: list[Row] = []
    for parcel, names, received_at in messages:
        flags, keywords = flag_bits(names, keywords)
        received_at = work.now if received_at is None else received_at
        body_id = keep_body(work, parcel)
        rows.append((mailbox_id, uid_next + len(rows), flags, mod_seq, body_id, parcel[1], received_at, work.now))
    work.executemany(INSERT_MESSAGE, rows)
    grow_mailbox(work, mailbox_id, rows, mod_seq, keywords)
    work.touch(mailbox_id, account_id, mod_seq)
    return [uid_validity, [row[1] for row in rows]]


def store_flags(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, ranges, action, flag names, unchanged_since or None]``; gives
    ``[rows, modified, mod_seq, mod_seq before]``."""
    mailbox_id, ranges, action, names, unchanged_since = arguments
    account_id, _, _, before, words, _, _ = work.mailbox(mailbox_id)
    mod_seq = before
    keywords = tuple(words.split())
    bits, grown = (known_bits(names, keywords), keywords) if action == "remove" else flag_bits(names, keywords)
    chosen = Chosen.of(ranges)
    found = work.all(SELECT_MESSAGES.format(chosen.condition), (mailbox_id, *chosen.bindings))
    rows: list[Row] = []
    modified: list[int] = []
    unseen = deleted = changes = 0
    for uid, old, _, _, _, at in found:
        if unchanged_since is not None and at > unchanged_since:
            modified.append(uid)
            continue
        new = changed_flags(old, action, bits)
        if new == old:
            rows.append((uid, old, at))
            continue
        changes += 1
        unseen += (old & SEEN) - (new & SEEN)
        deleted += ((new & DELETED) - (old & DELETED)) // DELETED
        rows.append((uid, new, mod_seq + 1))
    if changes:
        mod_seq += 1
        guard, extra = ("", ()) if unchanged_since is None else (" AND mod_seq <= ?", (unchanged_since,))
        sql = _CHANGE.format(_NEW_FLAGS[action], chosen.condition) + guard
        work.execute(sql, (bits, mod_seq, mailbox_id, *chosen.bindings, bits, *extra))
    if changes or grown != keywords:
        work.execute(
            "UPDATE mailbox SET mod_seq = ?, keywords = ?, unseen = unseen + ?, deleted = deleted + ? WHERE mailbox_id = ?",
            (mod_seq, " ".join(grown), unseen, deleted, mailbox_id),
        )
        work.touch(mailbox_id, account_id, mod_seq)
    return [rows, modified, mod_seq, before]


def copy(work: Work, arguments: list[Any]) -> list[Any]:
    """``[mailbox_id, ranges, target_id, move, allowed]``; gives ``[uid_validity, source_uids, target_uids]``."""
    mailbox_id, ranges, target_id, move, allowed = arguments
    return transfer(work, mailbox_id, ranges, target_id, move=move, allowed=allowed)


def transfer(
    work: Work, mailbox_id: int, ranges: list[Any] | None, target_id: int, *, move: bool, allowed: Packed = None
) -> list[Any]:
    """Copies or moves the chosen messages (all of them for None), as ``copy``. Moving within an account is free."""
    account_id, _, _, mod_seq, words, _, name = work.mailbox(mailbox_id)
    target_account, uid_validity, uid_next, target_mod_seq, target_words, _, target_name = work.mailbox(target_id)
    refuse_shadow(target_name)
    chosen = Chosen.everything() if ranges is None else Chosen.of(ranges)
    found = work.all(SELECT_MESSAGES.format(chosen.condition), (mailbox_id, *chosen.bindings))
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
    for _, flags, size_bytes, body_id, received_at, _ in found:
        bits, keywords = translated(flags, source_keywords, keywords)
        uid = uid_next + len(rows)
        rows.append((target_id, uid, bits, target_mod_seq, body_id, size_bytes, received_at, work.now))
    work.executemany(INSERT_MESSAGE, rows)
    grow_mailbox(work, target_id, rows, target_mod_seq, keywords)
    if move:
        if mailbox_id == target_id:
            chosen, mod_seq = Chosen.of([[row[0], row[0]] for row in found]), target_mod_seq - 1
        remove(work, mailbox_id, found, chosen, mod_seq + 1)
        work.touch(mailbox_id, account_id, mod_seq + 1)
    work.touch(target_id, target_account, target_mod_seq)
    return [uid_validity, [row[0] for row in found], [row[1] for row in rows]]


def grow_mailbox(work: Work, mailbox_id: int, rows: list[Row], mod_seq: int, keywords: Iterable[str]) -> None:
    """The mailbox's row after ``rows`` of ``message`` were added."""
    unseen = sum(1 for row in rows if not row[2] & SEEN)
    deleted = sum(1 for row in rows if row[2] & DELETED)
    work.execute(
        "UPDATE mailbox SET uid_next = uid_next + ?, mod_seq = ?, message_count = message_count + ?, unseen = unseen + ?,"
        " deleted = deleted + ?, size_bytes = size_bytes + ?, keywords = ? WHERE mailbox_id = ?",
        (len(rows), mod_seq, len(rows), unseen, deleted, sum(row[5] for row in rows), " ".join(keywords), mailbox_id),
    )


def remove(work: Work, mailbox_id: int, gone: list[Row], chosen: Chosen, mod_seq: int) -> None:
    """Takes ``gone``, rows of (uid, flags, size_bytes, ...) that ``chosen`` chooses, out of a mailbox."""
    forget_seen(work, mailbox_id, gone)
    work.execute(_VANISH.format(chosen.condition), (mod_seq, int(work.now // DAY_S), mailbox_id, *chosen.bindings))
    work.execute(_DELETE.format(chosen.condition), (mailbox_id, *chosen.bindings))
    unseen = sum(1 for row in gone if not row[1] & SEEN)
    deleted = sum(1 for row in gone if row[1] & DELETED)
    work.execute(
        "UPDATE mailbox SET mod_seq = ?, message_count = message_count - ?, unseen = unseen - ?, deleted = deleted - ?,"
        " size_bytes = size_bytes - ? WHERE mailbox_id = ?",
        (mod_seq, len(gone), unseen, deleted, sum(row[2] for row in gone), mailbox_id),
    )
