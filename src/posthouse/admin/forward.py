"""Forwarding: a user's mail goes on to other addresses, with or without a copy in the user's own mailbox (RTE-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.alias import require_tree
from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.user import find
from posthouse.model.account import Account, Forward
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class ForwardRow:
    """Where one user's mail goes on to. ``keep``: into the own mailbox too. Without targets nothing is forwarded."""

    address: str
    targets: tuple[str, ...]
    keep: bool


def _row(account: Account) -> ForwardRow:
    forward = account.forward
    if forward is None:
        return ForwardRow(str(account.address), (), True)
    return ForwardRow(str(account.address), tuple(str(target) for target in forward.targets), forward.keep)


@operation("forward set", role="domain-administrator", scope="domain")
async def set_(context: Context, address: Address, targets: tuple[Address, ...], *, keep: bool = False) -> ForwardRow:
    """Sends a user's mail on to other addresses, in the place of those that it went to so far.

    Args:
        address: the user's address.
        targets: one or more addresses here or elsewhere.
        keep: the user's own mailbox gets a copy too.
    """
    account = await find(context, address)
    context.require_account(account)
    if not targets:
        raise UsageError("forward set: give at least one target")
    for target in targets:
        require_tree(context, target)
    return _row(await context.directory_writer.put_forward(address, Forward(targets, keep)))


@operation("forward show", role="reader", scope="domain", reads=True)
async def show(context: Context, address: Address) -> ForwardRow:
    """Shows where a user's mail goes on to.

    Args:
        address: the user's address.
    """
    return _row(await find(context, address))


@operation("forward list", role="reader", scope="domain", reads=True)
async def list_(context: Context, pattern: str = "*") -> Sequence[ForwardRow]:
    """Lists the users whose mail goes on to other addresses.

    Args:
        pattern: address with * for any run of characters.
    """
    found: list[ForwardRow] = []
    after = ""
    while page := await context.directory.accounts(pattern=pattern, domain=context.listed_domain, after=after):
        found += [_row(account) for account in page if account.forward is not None]
        after = str(page[-1].address)
    return found


@operation("forward delete", role="domain-administrator", scope="domain")
async def delete(context: Context, address: Address) -> None:
    """Ends the forwarding of a user's mail: it comes into the own mailbox again.

    Args:
        address: the user's address.
    """
    account = await find(context, address)
    context.require_account(account)
    await context.directory_writer.put_forward(address, None)
