"""The unit of work on annotations of mailboxes and of the server (RFC 5464)."""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.work import Work
from posthouse.base.errors import Permanent


def annotate(work: Work, arguments: list[Any]) -> None:
    """``[mailbox_id, account_id, [[entry, value or None], ...], max_annotations]``; mailbox_id 0: the server; account_id 0:
    shared, else whose private ones they are. All are set or none."""
    mailbox_id, account_id, entries, max_annotations = arguments
    if mailbox_id:
        work.mailbox(mailbox_id)
    for entry, value in entries:
        work.execute(
            "DELETE FROM annotation WHERE mailbox_id = ? AND account_id = ? AND entry = ?", (mailbox_id, account_id, entry)
        )
        if value is not None:
            work.execute("INSERT INTO annotation VALUES (?, ?, ?, ?)", (mailbox_id, account_id, entry, value))
    sql = "SELECT count(*) FROM annotation WHERE mailbox_id = ? AND account_id = ?"
    row = work.one(sql, (mailbox_id, account_id))
    if row and row[0] > max_annotations and any(value is not None for _, value in entries):
        raise Permanent("Too many annotations", code=552, enhanced="5.2.2", imap_code="METADATA TOOMANY")
