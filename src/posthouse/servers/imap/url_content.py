"""What an IMAP URL names, read from the store: for CATENATE and URLFETCH (RFC 5092, RFC 4469 §3, RFC 4467 §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.base.errors import BadValue, NotFound
from posthouse.formats.mime import sections
from posthouse.mailstore.opened import OpenedMessage
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.protocols.imap import imap_url
from posthouse.protocols.imap.imap_url import ImapUrl
from posthouse.servers.imap.fetch_body import section_octets
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def part_of_url(session: ImapSession, text: str) -> bytes:
    """The piece that a CATENATE names: of the client's own mailboxes only. Raises Refused (BADURL)."""
    octets: bytes | None = None
    try:
        url = imap_url.parse(text)
        if not url.access and (not url.absolute or (is_here(session, url) and await is_own(session, url))):
            octets = await content_of(session, url, session.account_id)
    except ValueError:
        octets = None
    if octets is None:
        raise Refused("The URL leads to nothing", code=f'BADURL "{_quotable(text)}"')
    return octets


async def content_of(session: ImapSession, url: ImapUrl, account_id: int) -> bytes | None:
    """The octets that ``url`` names in this account's mailboxes; None if there are none."""
    store = session.services.store
    if url.mailbox:
        info = await store.mailbox(account_id, url.mailbox)
    else:
        info = session.selected.info if session.selected is not None else None
    if info is None or not info.selectable or url.uid_validity not in (None, info.uid_validity):
        return None
    try:
        (facts,) = await store.facts(info.mailbox_id, [url.uid])
        opened = OpenedMessage(await store.content(facts.body_id))
        octets = section_octets(url.section, opened)
    except (NotFound, ValueError, sections.UnknownEncoding):
        return None
    return None if octets is None else imap_url.cut(octets, url.partial)


def is_here(session: ImapSession, url: ImapUrl) -> bool:
    """Whether the URL's host may be this server: its name, its address, or none at all."""
    settings = session.services.settings()
    names = {"", session.services.node_name.lower(), settings.smtp.hostname.lower(), session.connection.server_address}
    return url.host.strip("[]") in names or session.peer.is_loopback


async def is_own(session: ImapSession, url: ImapUrl) -> bool:
    """Whether the URL's user is the one who is logged in."""
    account = await account_of(session, url.user)
    return account is not None and account.account_id == session.account_id


async def account_of(session: ImapSession, user: str) -> Account | None:
    """The account that a user's name in a URL means; None if there is none."""
    domain = session.services.settings().auth.default_domain
    try:
        address = Address.parse(user if "@" in user or not domain else f"{user}@{domain}")
    except (BadValue, ValueError):
        return None
    return await session.services.directory.account(address)


def _quotable(text: str) -> str:
    """The URL as it may stand in a response code: the client knows it anyway."""
    return "".join(char for char in text[:1000] if char.isascii() and char.isprintable() and char not in '"\\[]')
