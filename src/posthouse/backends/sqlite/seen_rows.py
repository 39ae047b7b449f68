"""Rows of ``seen``: how messages look to a reader who does not own the mailbox, and what goes when messages go."""

from __future__ import annotations

import json
from collections.abc import Sequence

from posthouse.backends.sqlite.work import Row, Work

READER_ROWS = (
    "SELECT m.uid, m.flags & ~1 | coalesce(s.seen, 0), max(m.mod_seq, coalesce(s.mod_seq, 0)), m.flags"
    " FROM message AS m LEFT JOIN seen AS s ON s.mailbox_id = m.mailbox_id AND s.account_id = ? AND s.uid = m.uid"
    " WHERE m.mailbox_id = ? AND {} ORDER BY m.uid"
)
"""(UID, flags and mod-sequence as the reader has them, the message's own flags). Bindings: reader, mailbox, the condition's."""

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
