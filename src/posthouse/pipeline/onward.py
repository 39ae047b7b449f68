"""From a resolved recipient to destinations: shared by the envelope stage and by mail that the node itself sends (DSNs)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from posthouse.base.errors import Temporary
from posthouse.directory.resolve import STEPS_PER_TURN, RecipientResolver, Resolution
from posthouse.interfaces.routes import Routes
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.plan import Destination, ToMailbox, ToQueue
from posthouse.model.route import NextHop


class Onward:
    """Knows the directory, the routing table and the message router; decides nothing about who may send.

    ``router`` is the next host that everything goes to and that routes it (RTE-3), "" for none: then addresses are not taken
    apart here, and no route of the table counts but in saying what is accepted.
    """

    def __init__(self, recipients: RecipientResolver, routes: Routes, router: Callable[[], str] = str) -> None:
        self._recipients = recipients
        self._routes = routes
        self._router = router

    async def hop(self, address: Address) -> NextHop | Literal["led"] | None:
        """Where a routed address goes; None if it is not routed. ``led``: what an outside directory says of the address is
        nearer than the route of its whole domain (RTE-2)."""
        found = await self._routes.route(address)
        if found is None:
            return None
        outside = self._recipients.outside
        if (
            outside.leads(address.domain, known=True)
            and not await self._routes.names(address)
            and await outside.lead(address) is not None
        ):
            return "led"
        return self.instead(found)

    def instead(self, hop: NextHop) -> NextHop:
        """The message router, if there is one, else ``hop``."""
        router = self._router()
        return NextHop.parse(router) if router else hop

    async def rest_of(self, resolution: Resolution) -> NextHop | None:
        """The host of a local domain's users that are not here (a route for ``*@domain``); None for all other addresses."""
        problems = resolution.problems
        if resolution.is_deliverable or not problems or any(problem.why != "unknown" for problem in problems):
            return None
        found = await self._routes.rest(resolution.address.domain)
        return found if found is None else self.instead(found)

    def elsewhere(self, recipient: Recipient) -> ToQueue:
        """To an address that is not ours."""
        return ToQueue(recipient, self._router())

    async def resolved(self, recipient: Recipient, resolution: Resolution) -> tuple[Destination, ...]:
        """Where one address of ours leads, after aliases."""
        if router := self._router():
            return (ToQueue(recipient, router),)
        out: list[Destination] = [
            ToMailbox(
                recipient,
                found.account.account_id,
                found.mailbox,
                account=str(found.account.address),
                domain_id=found.account.domain_id,
            )
            for found in resolution.mailboxes
        ]
        for place, address in enumerate(resolution.elsewhere, 1):
            if place % STEPS_PER_TURN == 0:
                await asyncio.sleep(0)
            hop = await self._routes.route(address)
            onward = Recipient(address, recipient.notify, recipient.orcpt)
            out.append(ToQueue(onward, str(hop) if hop else "", original=str(recipient.address)))
        for routed in resolution.routed:
            if routed.address.key == recipient.address.key:
                out.append(ToQueue(recipient, str(routed.hop)))
            else:
                onward = Recipient(routed.address, recipient.notify, recipient.orcpt)
                out.append(ToQueue(onward, str(routed.hop), original=str(recipient.address)))
        return tuple(out)

    async def own_mail(self, recipient: Recipient) -> Sequence[Destination]:
        """Where the node's own mail for an address goes; nothing if it leads nowhere. Raises Temporary."""
        try:
            hop = await self.hop(recipient.address)
        except Temporary:  # an outside directory that is down: its domain's host takes what cannot wait for it
            found = await self._routes.route(recipient.address)
            if found is None:
                raise
            hop = self.instead(found)
        if isinstance(hop, NextHop):
            return (ToQueue(recipient, str(hop)),)
        resolution = await self._recipients.resolve(recipient.address, routed=hop is not None)
        if (rest := await self.rest_of(resolution)) is not None:
            return (ToQueue(recipient, str(rest)),)
        if resolution.is_local:
            return await self.resolved(recipient, resolution)
        return (self.elsewhere(recipient),)
