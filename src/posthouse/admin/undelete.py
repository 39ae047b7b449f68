"""Deleted messages: looked at, got back, dropped for good (STO-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin import user
from posthouse.admin.arguments import Moment
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import BadValue
from posthouse.model.address import Address

MAX_UIDS = 10_000


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """Deleted messages of one mailbox. ``first`` and ``last``: when the first and the last of them were deleted."""

    mailbox: str
    messages: int
    size_bytes: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages it was about."""

    messages: int


@operation("undelete list", role="help-desk", scope="domain", reads=True)
async def list_(context: Context, address: Address) -> Sequence[DeletedRow]:
    """Lists what a user has deleted and can get back, by mailbox.

    Args:
        address: the user's address.
    """
    from posthouse.mailstore.restore import Choice, shadows  # the command line loads this module for its syntax only
    from posthouse.model.undelete import live_name

    account = await user.find(context, address)
    rows: list[DeletedRow] = []
    for box in await shadows(context.store, account.account_id, Choice()):
        _, found = await context.store.rows(box.mailbox_id)
        facts = await context.store.facts(box.mailbox_id, [found[0].uid, found[-1].uid]) if found else ()
        first, last = (stamp(facts[0].saved_at), stamp(facts[-1].saved_at)) if facts else ("", "")
        rows.append(DeletedRow(live_name(box.name), box.exists, box.size_bytes, first, last))
    return rows


@operation("undelete restore", role="domain-administrator", scope="domain")
async def restore(
    context: Context, address: Address, *, mailbox: str = "", since: Moment | None = None, uid: str = ""
) -> Count:
    """Puts deleted messages back to where they were; mailboxes that are gone are made again.

    Args:
        address: the user's address.
        mailbox: only this one and those below it, as it was called.
        since: only what was deleted since then: 2h, 3d, or a date and time.
        uid: only these messages of Deleted Messages, such as 4,7:9; needs --mailbox.
    """
    from posthouse.mailstore.restore import Choice
    from posthouse.mailstore.restore import restore as put_back

    account = await user.find(context, address)
    context.require_account(account)
    return Count(await put_back(context.store, account.account_id, Choice(mailbox, since or 0.0, _uids(uid, mailbox))))


@operation("undelete purge", role="domain-administrator", scope="domain")
async def purge(context: Context, address: Address, *, mailbox: str = "", uid: str = "") -> Count:
    """Drops deleted messages for good.

    Args:
        address: the user's address.
        mailbox: only those of this mailbox and those below it, as it was called.
        uid: only these messages of Deleted Messages, such as 4,7:9; needs --mailbox.
    """
    from posthouse.mailstore.restore import Choice
    from posthouse.mailstore.restore import purge as drop

    account = await user.find(context, address)
    context.require_account(account)
    return Count(await drop(context.store, account.account_id, Choice(mailbox, 0.0, _uids(uid, mailbox))))


def _uids(text: str, mailbox: str) -> frozenset[int]:
    found: set[int] = set()
    for word in text.split(",") if text else ():
        first, _, last = word.partition(":")
        if not (first.isascii() and first.isdigit() and (last or "0").isdigit() and len(first) < 11 and len(last) < 11):
            raise BadValue(f"uid: {word!r} is not a number or a range such as 7:9")
        numbers = range(int(first), int(last or first) + 1)
        if len(found) + len(numbers) > MAX_UIDS:
            raise BadValue(f"uid: at most {MAX_UIDS} messages can be named")
        found.update(numbers)
    if found and not mailbox:
        raise BadValue("uid: UIDs belong to one mailbox, give --mailbox")
    return frozenset(found)
