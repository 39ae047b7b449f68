"""Addresses elsewhere that lists here send no more to: dead ones, and those whose owners complained (RFC 5965)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.admin.suppressiondesk import SuppressionDesk
from posthouse.base.errors import NotFound, Permanent
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class SuppressionRow:
    """One address."""

    address: str
    since: str
    why: str


@operation("suppression list", role="help-desk", reads=True)
async def list_(context: Context, *, limit: int = 1000, after: str = "") -> Sequence[SuppressionRow]:
    """Lists the addresses that lists send no more to. Mail to the address itself still goes out.

    Args:
        limit: how many to show at most.
        after: address after which to go on.
    """
    found = await _desk(context).reader.listing(after=after.lower(), limit=limit)
    return [SuppressionRow(each.address, stamp(each.since), each.why) for each in found]


@operation("suppression add", role="administrator")
async def add(context: Context, address: Address, *, why: str = "by hand") -> None:
    """Keeps lists from sending to an address elsewhere.

    Args:
        address: whose.
        why: shown in traces and in the list.
    """
    await _desk(context).writer.suppress(address.key, why, context.clock.now())


@operation("suppression delete", role="administrator")
async def delete(context: Context, address: Address) -> None:
    """Lets lists send to an address again, and forgets its failures.

    Args:
        address: whose.
    """
    if not await _desk(context).writer.allow(address.key):
        raise NotFound(f"{address} is not suppressed")


def _desk(context: Context) -> SuppressionDesk:
    if context.suppressions is None:
        raise Permanent("Suppressions need a node", enhanced="5.3.0")
    return context.suppressions
