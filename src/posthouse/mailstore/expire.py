"""Expiry of messages, mailbox by mailbox, in bounded steps (STO-6). The steward runs it by the clock, an operation at once.

A mailbox's own policy wins; Trash and Junk Mail without one go by their owner's allowance. What expires goes the way of all
deleted messages, so it can be got back while undelete keeps it.
"""

from __future__ import annotations

from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.limits import Allowances
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.expiry import Expiry

MAILBOXES_AT_A_TIME = 500
MESSAGES_AT_A_TIME = 200


async def expire_all(store: MailStore, allowances: Allowances, now: float) -> int:
    """Goes once through all mailboxes; gives how many messages expired. Raises Temporary."""
    gone = after = 0
    while page := await store.expiring(after, MAILBOXES_AT_A_TIME):
        for mailbox_id, account_id, special_use, policy in page:
            expiry = await _expiry(allowances, account_id, special_use, policy)
            if expiry.is_on:
                gone += await expire_mailbox(store, mailbox_id, expiry, now)
        after = page[-1][0]
    return gone


async def expire_mailbox(store: MailStore, mailbox_id: int, expiry: Expiry, now: float) -> int:
    """Removes what the policy lets go; gives how many messages."""
    gone = 0
    try:
        while uids := await store.expired(mailbox_id, expiry, now, MESSAGES_AT_A_TIME):
            removed = await store.expunge(mailbox_id, uids, unmarked=True)
            gone += len(removed)
            if not removed:
                break
    except NotFound:
        pass  # deleted meanwhile
    return gone


async def _expiry(allowances: Allowances, account_id: int, special_use: str, policy: str) -> Expiry:
    if policy:
        try:
            return Expiry.parse(policy)
        except BadValue:
            return Expiry()  # written past our checks: better nothing goes
    allowed = await allowances(account_id)
    return Expiry(days={"\\Trash": allowed.expire_trash_days, "\\Junk": allowed.expire_junk_days}.get(special_use, 0))
