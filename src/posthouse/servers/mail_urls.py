"""IMAP URLs that lead to messages here: what they name, and whether they were signed for whoever asks (RFC 5092, RFC 4467).

Asked by IMAP (CATENATE, URLFETCH) and by submission (BURL). The token of mechanism INTERNAL is HMAC-SHA-256 of the URL up to
its access, under a secret that the store keeps for account and mailbox. Failing closed: what does not fit gives None, without a
reason.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable

from posthouse.base.errors import BadValue, NotFound
from posthouse.formats.mime import sections
from posthouse.mailstore.opened import OpenedMessage
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.mailbox import MailboxInfo
from posthouse.model.session import Session
from posthouse.protocols.imap import imap_url
from posthouse.protocols.imap.imap_url import ImapUrl
from posthouse.servers.imap.fetch_body import section_octets
from posthouse.servers.services import Services

MECHANISM = "INTERNAL"
ACCESSES = ("anonymous", "authuser")

MayRead = Callable[[str], Awaitable[bool]]
"""From a URL's access, such as ``user+jane``, to whether it means whoever asks."""


def parsed(text: str) -> ImapUrl | None:
    """None if it is no URL of a message."""
    try:
        return imap_url.parse(text)
    except ValueError:
        return None


def token(secret: bytes, rump: str) -> str:
    """What signs a URL."""
    return hmac.new(secret, rump.encode("ascii"), hashlib.sha256).hexdigest()


async def signed_octets(services: Services, peer: Session, text: str, may_read: MayRead) -> bytes | None:
    """What a signed URL leads to."""
    url = parsed(text)
    if url is None or not url.absolute or not url.token or url.mechanism != MECHANISM or not is_here(services, peer, url):
        return None
    if url.expires_at is not None and url.expires_at < services.clock.now():
        return None
    owner = await account_of(services, url.user)
    info = await services.store.mailbox(owner.account_id, url.mailbox) if owner is not None else None
    if owner is None or info is None or not owner.enabled:
        return None
    secret = await services.store.url_key(owner.account_id, info.mailbox_id)
    if secret is None or not hmac.compare_digest(token(secret, url.rump), url.token):
        return None
    return await octets_of(services, url, info) if await may_read(url.access) else None


async def octets_of(services: Services, url: ImapUrl, info: MailboxInfo | None) -> bytes | None:
    """The octets that ``url`` names in this mailbox; None if there are none."""
    store = services.store
    if info is None or not info.selectable or url.uid_validity not in (None, info.uid_validity):
        return None
    try:
        (facts,) = await store.facts(info.mailbox_id, [url.uid])
        opened = OpenedMessage(await store.content(facts.body_id))
        octets = await opened.off_loop(lambda: section_octets(url.section, opened))
    except (NotFound, ValueError, sections.UnknownEncoding):
        return None
    return None if octets is None else imap_url.cut(octets, url.partial)


def is_here(services: Services, peer: Session, url: ImapUrl) -> bool:
    """Whether the URL's host may be this server: its name, its address, or none at all."""
    names = {"", services.node_name.lower(), services.settings().smtp.hostname.lower(), peer.server_address}
    return url.host.strip("[]") in names or peer.is_loopback


async def is_own(services: Services, peer: Session, user: str) -> bool:
    """Whether a user's name in a URL is the one who is logged in."""
    account = await account_of(services, user)
    return account is not None and account.account_id == peer.account_id


async def account_of(services: Services, user: str) -> Account | None:
    """The account that a user's name in a URL means; None if there is none."""
    domain = services.settings().auth.default_domain
    try:
        address = Address.parse(user if "@" in user or not domain else f"{user}@{domain}")
    except (BadValue, ValueError):
        return None
    return await services.directory.account(address)
