"""What a URL in CATENATE names, read from the client's own mailboxes (RFC 4469 §3, RFC 5092)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.protocols.imap.imap_url import ImapUrl
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.mail_urls import is_here, is_own, octets_of, parsed

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def part_of_url(session: ImapSession, text: str) -> bytes:
    """The piece that a CATENATE names: of the client's own mailboxes only. Raises Refused (BADURL)."""
    url = parsed(text)
    octets = await _octets(session, url) if url is not None and not url.access else None
    if octets is None:
        raise Refused("The URL leads to nothing", code=f'BADURL "{_quotable(text)}"')
    return octets


async def _octets(session: ImapSession, url: ImapUrl) -> bytes | None:
    services, peer = session.services, session.peer
    if url.absolute and not (is_here(services, peer, url) and await is_own(services, peer, url.user)):
        return None
    if url.mailbox:
        return await octets_of(services, url, await services.store.mailbox(session.account_id, url.mailbox))
    return await octets_of(services, url, session.selected.info if session.selected is not None else None)


def _quotable(text: str) -> str:
    """The URL as it may stand in a response code: the client knows it anyway."""
    return "".join(char for char in text[:1000] if char.isascii() and char.isprintable() and char not in '"\\[]')
