"""Mailboxes of users (STO-1), by address and name, or over all users by names of the form ``user.NAME.MAILBOX`` (ADM-3)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from posthouse.admin import user
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.mailbox import INBOX, MailboxInfo
from posthouse.model.undelete import is_shadow

_PAGE = 500


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """One mailbox as shown."""

    mailbox: str
    messages: int
    unseen: int
    size_bytes: int
    use: str


def _row(info: MailboxInfo, name: str = "") -> MailboxRow:
    return MailboxRow(name or info.name, info.exists, info.unseen, info.size_bytes, info.special_use.lstrip("\\"))


@operation("mailbox list", role="help-desk", scope="domain", reads=True, columns=("mailbox",))
async def list_(context: Context, which: str = "*", start: int = 0, count: int = 10_000) -> Sequence[MailboxRow]:
    """Lists the mailboxes of one user, or of all users by pattern.

    Args:
        which: a user's address; or a pattern over names such as user.jane.Sent, where * is any run of characters and % one
            without dots.
        start: how many to skip.
        count: how many to show at most.
    """
    if start < 0 or count < 1:
        raise BadValue("start is 0 or more, count is 1 or more")
    if "@" in which and not set("*%") & set(which):
        account = await _owner(context, which)
        found_here = await context.store.mailboxes(account.account_id)
        rows = [_row(info) for info in found_here if not is_shadow(info.name)]
        return rows[start : start + count]
    found: list[MailboxRow] = []
    fits = name_pattern(which or "*")
    async for account in _accounts(context):
        for info in await context.store.mailboxes(account.account_id):
            name = flat_name(account.address, info.name, bare=account.address.domain == context.domain)
            if is_shadow(info.name):
                continue
            if fits.fullmatch(name) or fits.fullmatch(name.removeprefix("user.")):
                found.append(_row(info, name))
        if len(found) >= start + count:
            break
    return found[start : start + count]


@operation("mailbox create", role="domain-administrator", scope="domain")
async def create(context: Context, address: Address, mailbox: str) -> MailboxRow:
    """Makes a mailbox for a user, and its missing parents.

    Args:
        address: the user's address.
        mailbox: its name, with / between levels.
    """
    account = await user.find(context, address)
    context.require_account(account)
    return _row(await context.store.create(account.account_id, mailbox))


@operation("mailbox delete", role="domain-administrator", scope="domain")
async def delete(context: Context, address: Address, mailbox: str) -> None:
    """Deletes a mailbox with its messages.

    Args:
        address: the user's address.
        mailbox: its name, with / between levels.
    """
    account = await user.find(context, address)
    context.require_account(account)
    await context.store.delete(account.account_id, mailbox)


@operation("mailbox rename", role="domain-administrator", scope="domain")
async def rename(context: Context, address: Address, mailbox: str, new_name: str) -> MailboxRow:
    """Renames a mailbox and all below it.

    Args:
        address: the user's address.
        mailbox: its name, with / between levels.
        new_name: the new name, with / between levels.
    """
    account = await user.find(context, address)
    context.require_account(account)
    await context.store.rename(account.account_id, mailbox, new_name)
    info = await context.store.mailbox(account.account_id, new_name)
    if info is None:
        raise NotFound(f"{address} has no mailbox {new_name}")
    return _row(info)


async def _owner(context: Context, text: str) -> Account:
    try:
        return await user.find(context, Address.parse(text))
    except ValueError as error:
        raise BadValue(f"which: {text!r} does not fit ({error})") from None


async def _accounts(context: Context) -> AsyncIterator[Account]:
    after = ""
    while page := await context.directory.accounts(domain=context.listed_domain, after=after, limit=_PAGE):
        for account in page:
            yield account
        after = str(page[-1].address)


def flat_name(address: Address, mailbox: str, *, bare: bool) -> str:
    """``user.jane.Sent``: dots for levels, dots inside a level as ``^``; INBOX is the user alone."""
    owner = (address.local if bare else str(address)).replace(".", "^")
    levels = [] if mailbox == INBOX else [level.replace(".", "^") for level in mailbox.split("/")]
    return ".".join(["user", owner, *levels])


def name_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern with ``*`` and ``%`` as a regular expression; runs of wildcards count as one, so that it stays linear enough.

    Raises BadValue for more wildcards than anyone needs.
    """
    parts = re.split(r"([*%]+)", pattern)
    if len(parts) > 17 or len(pattern) > 500:
        raise BadValue("the pattern has too many wildcards")
    words = {True: ".*", False: r"[^.]*"}
    return re.compile("".join(words["*" in part] if index % 2 else re.escape(part) for index, part in enumerate(parts)))
