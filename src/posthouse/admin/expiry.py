"""Expiry of messages by mailbox, and all of it at once (STO-6); quotas of mailbox trees (STO-5)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.admin import user
from posthouse.admin.arguments import Amount
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class ExpiryRow:
    """One mailbox's policy; "" is none."""

    mailbox: str
    policy: str


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One mailbox tree's quotas; 0 is none."""

    mailbox: str
    quota_bytes: int
    quota_messages: int


@dataclass(frozen=True, slots=True)
class Expired:
    """How many messages went."""

    messages: int


@operation("mailbox expire", role="domain-administrator", scope="domain")
async def expire(
    context: Context,
    address: Address,
    mailbox: str,
    *,
    days: int = 0,
    keep: int = 0,
    read_only: bool = False,
    unread: bool = False,
) -> ExpiryRow:
    """Sets when messages of a mailbox are deleted by themselves; without any option, never.

    What expires can be got back as long as deleted messages are kept.

    Args:
        address: the user's address.
        mailbox: its name, with / between levels.
        days: after so many days in this mailbox.
        keep: as soon as so many newer ones are there.
        read_only: only messages that were read.
        unread: only messages that were not read.
    """
    from posthouse.interfaces.usage import SHARED  # the command line loads this module for its syntax only
    from posthouse.model.expiry import ENTRY, MAX_DAYS, MAX_KEEP, Expiry

    if read_only and unread:
        raise BadValue("give --read-only or --unread, not both")
    if not 0 <= days <= MAX_DAYS or not 0 <= keep <= MAX_KEEP:
        raise BadValue(f"days is 0 to {MAX_DAYS}, keep 0 to {MAX_KEEP}")
    account = await user.find(context, address)
    context.require_account(account)
    info = await context.store.mailbox(account.account_id, mailbox)
    if info is None:
        raise NotFound(f"{address} has no mailbox {mailbox}")
    policy = Expiry(days, keep, "read" if read_only else "unread" if unread else "")
    text = str(policy) if policy.is_on else ""
    await context.store.annotate(info.mailbox_id, SHARED, [(ENTRY, text.encode() or None)])
    return ExpiryRow(info.name, text)


@operation("mailbox limit", role="domain-administrator", scope="domain")
async def limit(
    context: Context, address: Address, mailbox: str, *, quota_bytes: Amount | None = None, quota_messages: Amount | None = None
) -> TreeRow:
    """Gives a mailbox and all below it a quota of its own; without any option, none.

    It holds besides what the user may use. Mail for a mailbox there goes to INBOX when it is full.

    Args:
        address: the user's address.
        mailbox: its name, with / between levels.
        quota_bytes: mail in all of them together, such as 500M.
        quota_messages: messages in all of them together.
    """
    account = await user.find(context, address)
    context.require_account(account)
    info = await context.store.mailbox(account.account_id, mailbox)
    if info is None:
        raise NotFound(f"{address} has no mailbox {mailbox}")
    row = TreeRow(info.name, max(quota_bytes or 0, 0), max(quota_messages or 0, 0))
    await context.store.limit_tree(info.mailbox_id, row.quota_bytes, row.quota_messages)
    return row


@operation("expiry run", role="administrator")
async def run(context: Context) -> Expired:
    """Deletes at once what has expired in all mailboxes; by itself that happens every hour."""
    from posthouse.mailstore.expire import expire_all

    return Expired(await expire_all(context.store, context.allowances, context.clock.now()))
