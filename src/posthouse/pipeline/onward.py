"""From a resolved recipient to destinations: shared by the envelope stage and by mail that the node itself sends (DSNs)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.directory.resolve import RecipientResolver, Resolution
from posthouse.interfaces.routes import Routes
from posthouse.model.envelope import Recipient
from posthouse.model.plan import Destination, ToMailbox, ToQueue


class Onward:
    """Knows the directory and the routing table; decides nothing about who may send."""

    def __init__(self, recipients: RecipientResolver, routes: Routes) -> None:
        self._recipients = recipients
        self._routes = routes

    async def resolved(self, recipient: Recipient, resolution: Resolution) -> tuple[Destination, ...]:
        """Where one address of ours leads, after aliases."""
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
        for address in resolution.elsewhere:
            hop = await self._routes.route(address)
            onward = Recipient(address, recipient.notify, recipient.orcpt)
            out.append(ToQueue(onward, str(hop) if hop else "", original=str(recipient.address)))
        return tuple(out)

    async def own_mail(self, recipient: Recipient) -> Sequence[Destination]:
        """Where the node's own mail for an address goes; nothing if it leads nowhere."""
        hop = await self._routes.route(recipient.address)
        if hop is not None:
            return (ToQueue(recipient, str(hop)),)
        resolution = await self._recipients.resolve(recipient.address)
        if resolution.is_local:
            return await self.resolved(recipient, resolution)
        return (ToQueue(recipient),)
