"""Aliases: mail for one address goes to others (RTE-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import UsageError
from posthouse.admin.context import Context
from posthouse.admin.leaving import finish_leaving
from posthouse.admin.operation import operation
from posthouse.base.errors import AlreadyExists
from posthouse.model.account import Alias
from posthouse.model.address import Address
from posthouse.model.namespaces import delivery_name


@dataclass(frozen=True, slots=True)
class AliasRow:
    """One alias as shown."""

    alias: str
    targets: tuple[str, ...]
    owners: tuple[str, ...] = ()


def _row(alias: Alias) -> AliasRow:
    targets, owners = (tuple(str(each) for each in some) for some in (alias.targets, alias.owners))
    return AliasRow(str(alias.address), targets, owners)


@operation("alias add", role="domain-administrator", scope="domain")
async def add(context: Context, alias: Address, targets: tuple[Address, ...], *, replace: bool = False) -> AliasRow:
    """Adds an alias: mail for ALIAS goes to the targets instead.

    Args:
        alias: the new address.
        targets: one or more addresses here or elsewhere.
        replace: an alias that is there already gets these targets instead of its own; it keeps its owners.
    """
    context.require_domain(alias.domain)
    if not targets:
        raise UsageError("alias add: give at least one target")
    for target in targets:
        require_tree(context, target)
    if not replace and await context.directory.alias(alias) is not None:
        raise AlreadyExists(f"Already exists: {alias}")
    await finish_leaving(context)
    return _row(await context.directory_writer.put_alias(alias, targets))


def require_tree(context: Context, target: Address) -> None:
    """An alias or a catch-all writes into a domain's shared tree without being asked for rights: only into the own domain's.
    Raises NotAllowed."""
    if delivery_name(target.local):
        context.require_domain(target.domain)


@operation("alias own", role="domain-administrator", scope="domain")
async def own(context: Context, alias: Address, owners: tuple[Address, ...]) -> AliasRow:
    """Makes accounts owners of an alias: they may send as it, whether or not its mail comes to them.

    Args:
        alias: the alias, such as a list's address.
        owners: one or more accounts here; they are added to those that it has.
    """
    _require_owners(context, alias, owners)
    return _row(await context.directory_writer.add_owners(alias, owners))


@operation("alias disown", role="domain-administrator", scope="domain")
async def disown(context: Context, alias: Address, owners: tuple[Address, ...]) -> AliasRow:
    """Takes the ownership of an alias away from accounts.

    Args:
        alias: the alias.
        owners: one or more of its owners.
    """
    _require_owners(context, alias, owners)
    return _row(await context.directory_writer.remove_owners(alias, owners))


def _require_owners(context: Context, alias: Address, owners: tuple[Address, ...]) -> None:
    """Raises NotAllowed, UsageError. Who administers one domain learns nothing of other domains' accounts."""
    for each in (alias, *owners):
        context.require_domain(each.domain)
    if not owners:
        raise UsageError("whose is it? give at least one account")


@operation("alias list", role="reader", scope="domain", reads=True)
async def list_(context: Context, pattern: str = "*") -> Sequence[AliasRow]:
    """Lists aliases.

    Args:
        pattern: address with * for any run of characters.
    """
    found = await context.directory.aliases(pattern=pattern, domain=context.listed_domain)
    return [_row(alias) for alias in found]


@operation("alias delete", role="domain-administrator", scope="domain")
async def delete(context: Context, alias: Address) -> None:
    """Deletes an alias.

    Args:
        alias: the address.
    """
    context.require_domain(alias.domain)
    await context.directory_writer.delete_alias(alias)
    await finish_leaving(context)
