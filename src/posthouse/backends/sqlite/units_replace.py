"""The unit of REPLACE: a message is added and another removed, together or not at all (RFC 8508)."""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.units_message import append, messages, remove
from posthouse.backends.sqlite.work import Work
from posthouse.base.errors import NotFound


def replace(work: Work, arguments: list[Any]) -> list[int]:
    """``[mailbox_id, uid, target_id, allowed, parcel, flag names, received_at or None]``; gives ``[uid_validity, uid]``."""
    mailbox_id, uid, target_id, allowed, *message = arguments
    work.mailbox(mailbox_id)
    old = messages(work, mailbox_id, [[uid, uid]])
    if not old:
        raise NotFound("There is no such message")
    uid_validity, uids, *_ = append(work, [target_id, [message], allowed, ""])
    account_id, _, _, mod_seq, *_ = work.mailbox(mailbox_id)
    remove(work, mailbox_id, old, mod_seq + 1)
    work.loosen([old[0][3]])
    work.touch(mailbox_id, account_id, mod_seq + 1)
    return [uid_validity, uids[0]]
