"""GENURLAUTH, URLFETCH, RESETKEY: URLs that let others read one message, signed with a secret of the mailbox (RFC 4467).

The mechanism is INTERNAL: the token is HMAC-SHA-256 of the URL up to its access, under a secret that the store keeps for
account and mailbox. Forgetting the secret voids all its URLs. Failing closed: what does not fit gives NIL, without a reason.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from posthouse.protocols.imap import imap_url, responses
from posthouse.protocols.imap.imap_url import ImapUrl
from posthouse.protocols.imap.parse_url import GenUrlAuth, ResetKey, UrlFetch
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.url_content import account_of, content_of, is_here, is_own

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

MECHANISM = "INTERNAL"
_ACCESSES = ("anonymous", "authuser")
_NAMED_ACCESSES = ("user+", "submit+")


async def gen_url_auth(session: ImapSession, command: GenUrlAuth) -> str:
    """GENURLAUTH: all URLs are signed or none."""
    store = session.services.store
    signed: list[bytes] = []
    for rump, mechanism in command.rumps:
        url = _parsed(rump)
        if mechanism != MECHANISM:
            raise Refused("No such mechanism", status="BAD")
        if url is None or not url.absolute or url.token or not _is_access(url.access):
            raise Refused("That URL cannot be signed", status="BAD")
        info = await store.mailbox(session.account_id, url.mailbox) if url.mailbox else None
        if not is_here(session, url) or not await is_own(session, url):
            raise Refused("The URL is not of this account")
        if info is None or not info.selectable or url.uid_validity not in (None, info.uid_validity):
            raise Refused("There is no such mailbox", code="NONEXISTENT")
        secret = await store.make_url_key(session.account_id, info.mailbox_id)
        signed.append(responses.string(f"{rump}:{MECHANISM.lower()}:{_token(secret, rump)}".encode("ascii")))
    session.write(b"* GENURLAUTH %b\r\n" % b" ".join(signed))
    return "GENURLAUTH completed"


async def url_fetch(session: ImapSession, command: UrlFetch) -> str:
    """URLFETCH: the octets of each URL, or NIL."""
    for text in command.urls:
        octets = await _fetched(session, text)
        answer = b"NIL" if octets is None else responses.literal(octets)
        session.write(b"* URLFETCH %b %b\r\n" % (responses.string(text.encode("ascii")), answer))
        await session.drain()
    return "URLFETCH completed"


async def reset_key(session: ImapSession, command: ResetKey) -> tuple[str, bytes]:
    """RESETKEY: the URLs that were signed so far are void."""
    store = session.services.store
    if any(name != MECHANISM for name in command.mechanisms):
        raise Refused("No such mechanism", status="BAD")
    if command.mailbox is None:
        await store.drop_url_keys(session.account_id)
        return "All keys are reset", b""
    info = await store.mailbox(session.account_id, command.mailbox)
    if info is None:
        raise Refused("There is no such mailbox", code="NONEXISTENT")
    await store.drop_url_keys(session.account_id, info.mailbox_id)
    return "The key is reset", b"URLMECH INTERNAL"


async def _fetched(session: ImapSession, text: str) -> bytes | None:
    url = _parsed(text)
    if url is None or not url.absolute or not url.token or url.mechanism != MECHANISM or not is_here(session, url):
        return None
    if url.expires_at is not None and url.expires_at < session.services.clock.now():
        return None
    owner = await account_of(session, url.user)
    info = await session.services.store.mailbox(owner.account_id, url.mailbox) if owner is not None else None
    if owner is None or info is None or not owner.enabled:
        return None
    secret = await session.services.store.url_key(owner.account_id, info.mailbox_id)
    if secret is None or not hmac.compare_digest(_token(secret, url.rump), url.token):
        return None
    if not await _may_fetch(session, url.access):
        return None
    return await content_of(session, url, owner.account_id)


async def _may_fetch(session: ImapSession, access: str) -> bool:
    """Whether the URL was signed for whoever is logged in here (RFC 4467 §3)."""
    if access in _ACCESSES:
        return True
    kind, _, user = access.partition("+")
    if kind == "submit":
        return session.peer.account.lower() in {one.lower() for one in session.services.settings().imap.url_submitters}
    account = await account_of(session, user)
    return account is not None and account.account_id == session.account_id


def _is_access(access: str) -> bool:
    return access in _ACCESSES or any(access.startswith(kind) and len(access) > len(kind) for kind in _NAMED_ACCESSES)


def _parsed(text: str) -> ImapUrl | None:
    try:
        return imap_url.parse(text)
    except ValueError:
        return None


def _token(secret: bytes, rump: str) -> str:
    return hmac.new(secret, rump.encode("ascii"), hashlib.sha256).hexdigest()
