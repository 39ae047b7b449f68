"""Rows of ``seen``: how messages look to a reader who does not own the mailbox, and what goes when messages go."""

from __future__ import annotations

import json
from collections.abc import Sequence

from posthouse.backends.sqlite.flag_blocks import Read, changed_rows, chosen_rows
from posthouse.backends.sqlite.uid_sets import to_ranges
from posthouse.backends.sqlite.work import Row, Work
from posthouse.model.mailbox import SEEN
from posthouse.model.message_rows import MessageRows, flags_column, mod_seqs_column


def reader_rows(read: Read, mailbox_id: int, reader: int, rows: MessageRows) -> MessageRows:
    """``rows``, which are the owner's, as a reader has them: with their own \\Seen, and its mod-sequence if that is higher."""
    if not rows:
        return rows
    sql = "SELECT uid, seen, mod_seq FROM seen WHERE mailbox_id = ? AND account_id = ? AND uid BETWEEN ? AND ?"
    marks = {uid: mark for uid, *mark in read(sql, (mailbox_id, reader, rows.uids[0], rows.uids[-1]))}
    flags = [bits & ~SEEN for bits in rows.flags]
    mod_seqs = rows.mod_seqs.tolist()
    for at, uid in enumerate(rows.uids if marks else ()):
        if uid in marks:
            seen, mod_seq = marks[uid]
            flags[at] |= seen
            mod_seqs[at] = max(mod_seqs[at], mod_seq)
    return MessageRows(rows.uids, flags_column(flags), mod_seqs_column(mod_seqs))


def reader_changed(read: Read, mailbox_id: int, reader: int, since_mod_seq: int) -> MessageRows:
    """What changed after a mod-sequence for a reader: of the messages themselves, or of the reader's marks."""
    marked = read(
        "SELECT uid FROM seen WHERE mailbox_id = ? AND account_id = ? AND mod_seq > ?", (mailbox_id, reader, since_mod_seq)
    )
    uids = {uid for (uid,) in marked}.union(changed_rows(read, mailbox_id, since_mod_seq).uids)
    return reader_rows(read, mailbox_id, reader, chosen_rows(read, mailbox_id, to_ranges(uids)))


RULES: tuple[tuple[str, str], ...] = (
    (
        "mailbox {}: rights of {}, but there is no such mailbox",
        "SELECT mailbox_id, identifier FROM acl WHERE mailbox_id NOT IN (SELECT mailbox_id FROM mailbox)",
    ),
    (
        "mailbox {}: account {} has seen message {}, which is not there",
        "SELECT mailbox_id, account_id, uid FROM seen AS s WHERE mailbox_id NOT IN (SELECT mailbox_id FROM doomed_mailbox)"
        " AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.mailbox_id = s.mailbox_id AND m.uid = s.uid)",
    ),
)
"""For ``store check``: what it says, and the rows it says that of."""


def forget_seen(work: Work, mailbox_id: int, gone: Sequence[Row]) -> None:
    """What readers had seen of messages that go now, rows that begin with the UID. One quick look if nobody ever read here."""
    reader = work.one("SELECT account_id FROM seen WHERE mailbox_id = ? LIMIT 1", (mailbox_id,))
    listed = json.dumps([row[0] for row in gone]) if reader else ""
    while reader:
        sql = "DELETE FROM seen WHERE mailbox_id = ? AND account_id = ? AND uid IN (SELECT value FROM json_each(?))"
        work.execute(sql, (mailbox_id, reader[0], listed))
        next_one = "SELECT account_id FROM seen WHERE mailbox_id = ? AND account_id > ? LIMIT 1"
        reader = work.one(next_one, (mailbox_id, reader[0]))


def clear_seen(work: Work, mailbox_id: int, limit: int) -> bool:
    """Some rows of a mailbox that is no more; False when there were none."""
    work.execute(
        "DELETE FROM seen WHERE (mailbox_id, account_id, uid) IN"
        " (SELECT mailbox_id, account_id, uid FROM seen WHERE mailbox_id = ? LIMIT ?)",
        (mailbox_id, limit),
    )
    return bool(work.connection.changes())


def forget_reader(work: Work, account_id: int) -> None:
    """What an account has seen in others' mailboxes; these are found by being shared, or ``seen`` would need one more index."""
    shared = "SELECT DISTINCT mailbox_id FROM acl"
    work.execute(f"DELETE FROM seen WHERE mailbox_id IN ({shared}) AND account_id = ?", (account_id,))
