"""BURL: a message, or a part of it, that stands in a mailbox here and need not come over the line again (RFC 4468).

The URL must be signed (URLAUTH, RFC 4467) and be meant for whoever has logged in: ``submit+`` or ``user+`` with their name, or
anybody. Failing closed, and without a reason: a URL must not tell whether there is such a message.
"""

from __future__ import annotations

from posthouse.model.session import Session
from posthouse.model.verdict import Reply
from posthouse.servers.mail_urls import ACCESSES, is_own, signed_octets
from posthouse.servers.services import Services

NOT_FOUND = Reply(554, "5.6.6", "The URL leads to nothing that you may send")


async def octets_for(services: Services, peer: Session, url: str) -> bytes | None:
    """What the URL leads to; None if to nothing. Raises Temporary."""

    async def may_read(access: str) -> bool:
        kind, _, user = access.partition("+")
        return access in ACCESSES or (kind in ("submit", "user") and await is_own(services, peer, user))

    return await signed_octets(services, peer, url, may_read)
