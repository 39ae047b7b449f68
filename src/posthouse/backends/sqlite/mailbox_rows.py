"""Rows of ``mailbox`` as units of work find and make them. Names are in normal form."""

from __future__ import annotations

from posthouse.backends.sqlite.work import Row, Work
from posthouse.model.mailbox import SEPARATOR
from posthouse.model.mailbox_name import parents


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


def make_tree(work: Work, account_id: int, name: str) -> None:
    """A mailbox that can be selected, and its missing parents."""
    for above in parents(name):
        if not find(work, account_id, above):
            make(work, account_id, above)
    found = find(work, account_id, name)
    if found:
        work.execute("UPDATE mailbox SET selectable = 1 WHERE mailbox_id = ?", (found[0],))
    else:
        make(work, account_id, name)
