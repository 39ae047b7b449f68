"""Recipients that hosts behind this node said they do not have (GRY-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import NotFound, Temporary
from posthouse.interfaces.unknown_recipients import UnknownRecipients
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """One of them as shown."""

    address: str
    reply: str
    until: str


def _unknown(context: Context) -> UnknownRecipients:
    if context.unknown_recipients is None:
        raise Temporary("nothing is learnt about recipients here")
    return context.unknown_recipients


@operation("recipient unknown", role="reader", reads=True)
async def unknown(context: Context, *, limit: int = 1000) -> Sequence[UnknownRow]:
    """Lists recipients that are refused because the host of their domain has said that it does not have them.

    Args:
        limit: how many to show at most.
    """
    found = await _unknown(context).listing(context.clock.now(), limit)
    return [UnknownRow(each.address, each.reply, stamp(each.until)) for each in found]


@operation("recipient forget", role="help-desk")
async def forget(context: Context, address: Address) -> None:
    """Lets mail for a recipient through to its host again, such as one that was just made there.

    Args:
        address: the recipient.
    """
    if not await _unknown(context).forget(address.key):
        raise NotFound(f"nothing is known against {address}")
