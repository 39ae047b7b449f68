"""Units of work on mailboxes: provision, create, delete, rename, subscribe, delete_account (RFC 9051 §6.3.4-6.3.8).

Names arrive in normal form. Deleting frees the name at once and costs the same for any size: the messages go later, in
steps (``upkeep.py``).
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.mailbox_rows import below, find, make
from posthouse.backends.sqlite.quota import grow
from posthouse.backends.sqlite.seen_rows import forget_reader
from posthouse.backends.sqlite.trees import trees_of
from posthouse.backends.sqlite.units_message import transfer
from posthouse.backends.sqlite.units_undelete import put_away_step, shadow_of
from posthouse.backends.sqlite.work import Work
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent
from posthouse.model.mailbox import DEFAULT_MAILBOXES, INBOX, SEPARATOR
from posthouse.model.mailbox_name import normal_name, parents
from posthouse.model.quota import Growth
from posthouse.model.tree_quota import check_trees
from posthouse.model.undelete import is_shadow, refuse_shadow

PUT_AWAY_STEPS_AT_ONCE = 20


def provision(work: Work, arguments: list[Any]) -> bool:
    """``[account_id]``: makes the default mailboxes, subscribed, unless the account has any, is gone, or is shared (DIR-4)."""
    account_id = arguments[0]
    if account_id < 0:
        return False
    if work.one("SELECT 1 FROM mailbox WHERE account_id = ?", (account_id,)):
        return False
    if work.one("SELECT 1 FROM gone_account WHERE account_id = ?", (account_id,)):
        return False
    for name, special_use in DEFAULT_MAILBOXES:
        make(work, account_id, name, special_use)
        work.execute("INSERT OR IGNORE INTO subscription VALUES (?, ?)", (account_id, name))
    return True


def create(work: Work, arguments: list[Any]) -> int:
    """``[account_id, name, special_use, max_mailboxes, allowed]``; gives the mailbox_id."""
    account_id, name, special_use, max_mailboxes, allowed = arguments
    refuse_shadow(name)
    _prepare(work, account_id)
    found = find(work, account_id, name)
    if found and found[1]:
        raise AlreadyExists("The mailbox exists already")
    missing = [above for above in parents(name) if not find(work, account_id, above)]
    _more_mailboxes(work, account_id, len(missing) + (found is None), max_mailboxes)
    grow(work, account_id, allowed, Growth(mailboxes=len(missing) + (found is None)))
    for above in missing:
        make(work, account_id, above)
    if found:
        work.execute("DELETE FROM mailbox WHERE mailbox_id = ?", (found[0],))
    mailbox_id = make(work, account_id, name, special_use)
    work.touch(mailbox_id, account_id, 1, names=True)
    return mailbox_id


def delete(work: Work, arguments: list[Any]) -> None:
    """``[account_id, name, undelete_bytes]``."""
    account_id, name, undelete_bytes = arguments
    _prepare(work, account_id)
    found = find(work, account_id, name)
    if not found:
        raise NotFound("There is no such mailbox")
    if name == INBOX:
        raise Permanent("INBOX cannot be deleted")
    children = bool(below(work, account_id, name))
    if children and not found[1]:
        raise Permanent("The mailbox has others below it", imap_code="HASCHILDREN")
    _doom(work, found[0], account_id)
    if undelete_bytes and found[1] and not is_shadow(name):
        _put_away(work, account_id, found[0], name, undelete_bytes)
    if children:
        make(work, account_id, name, selectable=False)


def rename(work: Work, arguments: list[Any]) -> None:
    """``[account_id, name, new_name, max_depth, allowed]``; out of the shadow tree it restores what was deleted."""
    account_id, name, new_name, max_depth, allowed = arguments
    refuse_shadow(new_name)
    _prepare(work, account_id)
    found = find(work, account_id, name)
    if not found:
        raise NotFound("There is no such mailbox")
    if find(work, account_id, new_name):
        raise AlreadyExists("The mailbox exists already")
    moved = [] if name == INBOX else below(work, account_id, name)
    if name != INBOX and new_name.startswith(name + SEPARATOR):
        raise BadValue("A mailbox cannot be moved below itself")
    for _, old, _ in moved:
        normal_name(new_name + old[len(name) :], max_depth)
    missing = [above for above in parents(new_name) if not find(work, account_id, above)]
    adds, messages = _renaming_adds(work, [found[0], *(row[0] for row in moved)], name, len(missing))
    grow(work, account_id, allowed, adds)
    check_trees(trees_of(work.all, account_id), new_name, messages, source=name)
    for above in missing:
        make(work, account_id, above)
    if name == INBOX:
        transfer(work, found[0], None, make(work, account_id, new_name), move=True)
        return
    for mailbox_id, old, mod_seq in [(found[0], name, found[2]), *moved]:
        work.execute("UPDATE mailbox SET name = ? WHERE mailbox_id = ?", (new_name + old[len(name) :], mailbox_id))
        work.touch(mailbox_id, account_id, mod_seq, names=True)


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
    for table in ("url_key", "annotation", "account_usage", "trim_due"):
        work.execute(f"DELETE FROM {table} WHERE account_id = ?", (account_id,))
    junk = "DELETE FROM held WHERE account_id = ? AND kind = 'junk' RETURNING body_id"
    work.loosen(body_id for (body_id,) in work.all(junk, (account_id,)))
    forget_reader(work, account_id)
    work.execute("INSERT OR IGNORE INTO gone_account VALUES (?)", (account_id,))


def _prepare(work: Work, account_id: int) -> None:
    if not provision(work, [account_id]):
        work.check_account(account_id)


def _more_mailboxes(work: Work, account_id: int, more: int, max_mailboxes: int) -> None:
    row = work.one("SELECT mailboxes FROM account_usage WHERE account_id = ?", (account_id,))
    if row and row[0] + more > max_mailboxes:
        raise Permanent("Too many mailboxes", code=552, enhanced="5.2.2", imap_code="LIMIT")


def _renaming_adds(work: Work, mailbox_ids: list[int], name: str, missing: int) -> tuple[Growth, Growth]:
    """What an account grows by: new levels, the mailbox that INBOX's messages go to, what comes out of the shadow tree. And all
    that goes to the new place."""
    counted = [work.one("SELECT size_bytes, message_count FROM mailbox WHERE mailbox_id = ?", (each,)) for each in mailbox_ids]
    rows = [row for row in counted if row is not None]
    moved = Growth(sum(row[0] for row in rows), sum(row[1] for row in rows), missing + len(rows))
    return (moved if is_shadow(name) else Growth(mailboxes=missing + (name == INBOX))), moved


def _doom(work: Work, mailbox_id: int, account_id: int) -> None:
    row = work.one("DELETE FROM mailbox WHERE mailbox_id = ? RETURNING keywords", (mailbox_id,))
    work.execute("DELETE FROM url_key WHERE mailbox_id = ?", (mailbox_id,))
    work.execute("DELETE FROM annotation WHERE mailbox_id = ?", (mailbox_id,))
    keywords = row[0] if row else ""
    work.execute(
        "INSERT INTO doomed_mailbox (mailbox_id, keywords, doomed_at) VALUES (?, ?, ?)", (mailbox_id, keywords, work.now)
    )
    work.touch(mailbox_id, account_id, 0)
    work.upkeep_due = True


def _put_away(work: Work, account_id: int, mailbox_id: int, name: str, undelete_bytes: int) -> None:
    """The messages of a doomed mailbox go to its shadow: so many at once, the others in upkeep."""
    work.execute(
        "UPDATE doomed_mailbox SET shadow_id = ?, undelete_bytes = ? WHERE mailbox_id = ?",
        (shadow_of(work, account_id, name), undelete_bytes, mailbox_id),
    )
    for _ in range(PUT_AWAY_STEPS_AT_ONCE):
        if not put_away_step(work, mailbox_id):
            return
