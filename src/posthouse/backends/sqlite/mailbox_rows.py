"""Rows of ``mailbox`` as units of work find and make them. Names are in normal form."""

from __future__ import annotations

from posthouse.backends.sqlite.work import Row, Work
from posthouse.model.mailbox import SEPARATOR


def find(work: Work, account_id: int, name: str) -> Row | None:
    """(mailbox_id, selectable, mod_seq), or None."""
    sql = "SELECT mailbox_id, selectable, mod_seq FROM mailbox WHERE account_id = ? AND name = ?"
    return work.one(sql, (account_id, name))


def below(work: Work, account_id: int, name: str) -> list[Row]:
    """(mailbox_id, name, mod_seq) of all mailboxes below ``name``; "0" is the character after the separator."""
    return work.all(
        "SELECT mailbox_id, name, mod_seq FROM mailbox WHERE account_id = ? AND name > ? AND name < ?",
        (account_id, name + SEPARATOR, name + chr(ord(SEPARATOR) + 1)),
    )


def make(work: Work, account_id: int, name: str, special_use: str = "", *, selectable: bool = True) -> int:
    """A new mailbox; gives its mailbox_id."""
    work.execute(
        "INSERT INTO mailbox (account_id, name, uid_validity, special_use, object_id, selectable) VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, name, work.next_uid_validity(), special_use, work.ids.new(), selectable),
    )
    return work.connection.last_insert_rowid()
