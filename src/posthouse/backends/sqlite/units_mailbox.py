"""Units of work on mailboxes: provision, create, delete, rename, subscribe, delete_account (RFC 9051 §6.3.4-6.3.8).

Names arrive in normal form. Deleting frees the name at once and costs the same for any size: the messages go later, in
steps (``upkeep.py``).
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.units_message import transfer
from posthouse.backends.sqlite.work import Row, Work
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent
from posthouse.model.mailbox import DEFAULT_MAILBOXES, INBOX, SEPARATOR
from posthouse.model.mailbox_name import normal_name, parents


def provision(work: Work, arguments: list[Any]) -> bool:
    """``[account_id]``: makes the default mailboxes, subscribed, unless the account has any or is gone (DIR-4)."""
    account_id = arguments[0]
    if work.one("SELECT 1 FROM mailbox WHERE account_id = ?", (account_id,)):
        return False
    if work.one("SELECT 1 FROM gone_account WHERE account_id = ?", (account_id,)):
        return False
    for name, special_use in DEFAULT_MAILBOXES:
        _make(work, account_id, name, special_use)
        work.execute("INSERT OR IGNORE INTO subscription VALUES (?, ?)", (account_id, name))
    return True


def create(work: Work, arguments: list[Any]) -> int:
    """``[account_id, name, special_use, max_mailboxes]``; gives the mailbox_id."""
    account_id, name, special_use, max_mailboxes = arguments
    _prepare(work, account_id)
    found = _find(work, account_id, name)
    if found and found[1]:
        raise AlreadyExists("The mailbox exists already")
    count = work.one("SELECT count(*) FROM mailbox WHERE account_id = ?", (account_id,))
    missing = [above for above in parents(name) if not _find(work, account_id, above)]
    if count and count[0] + len(missing) + (found is None) > max_mailboxes:
        raise Permanent("Too many mailboxes", code=552, enhanced="5.2.2", imap_code="LIMIT")
    for above in missing:
        _make(work, account_id, above)
    if found:
        work.execute("DELETE FROM mailbox WHERE mailbox_id = ?", (found[0],))
    mailbox_id = _make(work, account_id, name, special_use)
    work.touch(mailbox_id, account_id, 1)
    return mailbox_id


def delete(work: Work, arguments: list[Any]) -> None:
    """``[account_id, name]``."""
    account_id, name = arguments
    _prepare(work, account_id)
    found = _find(work, account_id, name)
    if not found:
        raise NotFound("There is no such mailbox")
    if name == INBOX:
        raise Permanent("INBOX cannot be deleted")
    children = bool(_below(work, account_id, name))
    if children and not found[1]:
        raise Permanent("The mailbox has others below it", imap_code="HASCHILDREN")
    _doom(work, found[0], account_id)
    if children:
        _make(work, account_id, name, selectable=False)


def rename(work: Work, arguments: list[Any]) -> None:
    """``[account_id, name, new_name, max_depth]``."""
    account_id, name, new_name, max_depth = arguments
    _prepare(work, account_id)
    found = _find(work, account_id, name)
    if not found:
        raise NotFound("There is no such mailbox")
    if _find(work, account_id, new_name):
        raise AlreadyExists("The mailbox exists already")
    moved = [] if name == INBOX else _below(work, account_id, name)
    if name != INBOX and new_name.startswith(name + SEPARATOR):
        raise BadValue("A mailbox cannot be moved below itself")
    for _, below, _ in moved:
        normal_name(new_name + below[len(name) :], max_depth)
    for above in parents(new_name):
        if not _find(work, account_id, above):
            _make(work, account_id, above)
    if name == INBOX:
        transfer(work, found[0], None, _make(work, account_id, new_name), move=True)
        return
    for mailbox_id, old, mod_seq in [(found[0], name, found[2]), *moved]:
        work.execute("UPDATE mailbox SET name = ? WHERE mailbox_id = ?", (new_name + old[len(name) :], mailbox_id))
        work.touch(mailbox_id, account_id, mod_seq)


def subscribe(work: Work, arguments: list[Any]) -> None:
    """``[account_id, name, on, max_names]``."""
    account_id, name, on, max_names = arguments
    _prepare(work, account_id)
    if on:
        count = work.one("SELECT count(*) FROM subscription WHERE account_id = ?", (account_id,))
        if count and count[0] >= max_names:
            raise Permanent("Too many subscriptions", code=552, enhanced="5.2.2", imap_code="LIMIT")
        work.execute("INSERT OR IGNORE INTO subscription VALUES (?, ?)", (account_id, name))
    else:
        work.execute("DELETE FROM subscription WHERE account_id = ? AND name = ?", (account_id, name))
    work.touch(0, account_id, 0)


def delete_account(work: Work, arguments: list[Any]) -> None:
    """``[account_id]``; the id stays marked, so that mail under way to it fails instead of making new mailboxes."""
    account_id = arguments[0]
    for (mailbox_id,) in work.all("SELECT mailbox_id FROM mailbox WHERE account_id = ?", (account_id,)):
        _doom(work, mailbox_id, account_id)
    work.execute("DELETE FROM subscription WHERE account_id = ?", (account_id,))
    work.execute("DELETE FROM url_key WHERE account_id = ?", (account_id,))
    work.execute("INSERT OR IGNORE INTO gone_account VALUES (?)", (account_id,))


def _prepare(work: Work, account_id: int) -> None:
    if not provision(work, [account_id]):
        work.check_account(account_id)


def _find(work: Work, account_id: int, name: str) -> Row | None:
    sql = "SELECT mailbox_id, selectable, mod_seq FROM mailbox WHERE account_id = ? AND name = ?"
    return work.one(sql, (account_id, name))


def _below(work: Work, account_id: int, name: str) -> list[Row]:
    """(mailbox_id, name, mod_seq) of all mailboxes below ``name``; "0" is the character after the separator."""
    return work.all(
        "SELECT mailbox_id, name, mod_seq FROM mailbox WHERE account_id = ? AND name > ? AND name < ?",
        (account_id, name + SEPARATOR, name + chr(ord(SEPARATOR) + 1)),
    )


def _make(work: Work, account_id: int, name: str, special_use: str = "", *, selectable: bool = True) -> int:
    work.execute(
        "INSERT INTO mailbox (account_id, name, uid_validity, special_use, object_id, selectable) VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, name, work.next_uid_validity(), special_use, work.ids.new(), selectable),
    )
    return work.connection.last_insert_rowid()


def _doom(work: Work, mailbox_id: int, account_id: int) -> None:
    work.execute("DELETE FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
    work.execute("DELETE FROM url_key WHERE mailbox_id = ?", (mailbox_id,))
    work.execute("INSERT INTO doomed_mailbox (mailbox_id) VALUES (?)", (mailbox_id,))
    work.touch(mailbox_id, account_id, 0)
    work.upkeep_due = True
