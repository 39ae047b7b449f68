"""Units of work on rights (RFC 4314 §3): an entry is changed or removed; an identifier that is no more loses all it had."""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.work import Work
from posthouse.base.errors import NotFound, Permanent
from posthouse.model.rights import MAX_ENTRIES, changed_rights


def set_acl(work: Work, arguments: list[Any]) -> None:
    """``[mailbox_id, identifier, action, rights]``; an entry without rights goes."""
    mailbox_id, identifier, action, rights = arguments
    box = work.one("SELECT account_id, mod_seq FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
    if box is None:
        raise NotFound("There is no such mailbox")
    old = work.one("SELECT rights FROM acl WHERE mailbox_id = ? AND identifier = ?", (mailbox_id, identifier))
    new = changed_rights(old[0] if old else "", action, rights)
    if new == (old[0] if old else ""):
        return
    if new:
        count = work.one("SELECT count(*) FROM acl WHERE mailbox_id = ?", (mailbox_id,))
        if old is None and count and count[0] >= MAX_ENTRIES:
            raise Permanent("Too many entries", code=552, enhanced="5.2.2", imap_code="LIMIT")
        work.execute("INSERT OR REPLACE INTO acl VALUES (?, ?, ?)", (mailbox_id, identifier, new))
    else:
        work.execute("DELETE FROM acl WHERE mailbox_id = ? AND identifier = ?", (mailbox_id, identifier))
    work.touch(mailbox_id, box[0], box[1], names=True)


def forget_identifier(work: Work, arguments: list[Any]) -> None:
    """``[identifier]``: its entries go, those that take rights away too."""
    work.execute("DELETE FROM acl WHERE identifier IN (?1, '-' || ?1)", (arguments[0],))
