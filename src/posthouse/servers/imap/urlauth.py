"""GENURLAUTH, URLFETCH, RESETKEY: URLs that let others read one message, signed with a secret of the mailbox (RFC 4467).

The mechanism is INTERNAL (``servers.mail_urls``). Forgetting a mailbox's secret voids all its URLs. Failing closed: what does
not fit gives NIL, without a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.parse_url import GenUrlAuth, ResetKey, UrlFetch
from posthouse.servers.imap.large_answers import LARGE_BYTES
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.mail_urls import ACCESSES, MECHANISM, is_here, is_own, parsed, signed_octets, token

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_NAMED_ACCESSES = ("user+", "submit+")


async def gen_url_auth(session: ImapSession, command: GenUrlAuth) -> str:
    """GENURLAUTH: all URLs are signed or none."""
    store = session.services.store
    signed: list[bytes] = []
    for rump, mechanism in command.rumps:
        url = parsed(rump)
        if mechanism != MECHANISM:
            raise Refused("No such mechanism", status="BAD")
        if url is None or not url.absolute or url.token or not _is_access(url.access):
            raise Refused("That URL cannot be signed", status="BAD")
        info = await store.mailbox(session.account_id, url.mailbox) if url.mailbox else None
        if not is_here(session.services, session.peer, url) or not await is_own(session.services, session.peer, url.user):
            raise Refused("The URL is not of this account")
        if info is None or not info.selectable or url.uid_validity not in (None, info.uid_validity):
            raise Refused("There is no such mailbox", code="NONEXISTENT")
        secret = await store.make_url_key(session.account_id, info.mailbox_id)
        signed.append(responses.string(f"{rump}:{MECHANISM.lower()}:{token(secret, rump)}".encode("ascii")))
    session.write(b"* GENURLAUTH %b\r\n" % b" ".join(signed))
    return "GENURLAUTH completed"


async def url_fetch(session: ImapSession, command: UrlFetch) -> str:
    """URLFETCH: the octets of each URL, or NIL."""
    for text in command.urls:
        async with session.shared.large.turn(session.account_id, LARGE_BYTES):  # how large is known too late
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
    async def may_read(access: str) -> bool:
        return await _may_read(session, access)

    return await signed_octets(session.services, session.peer, text, may_read)


async def _may_read(session: ImapSession, access: str) -> bool:
    """Whether the URL was signed for whoever is logged in here (RFC 4467 §3)."""
    if access in ACCESSES:
        return True
    kind, _, user = access.partition("+")
    if kind == "submit":
        return session.peer.account.lower() in {one.lower() for one in session.services.settings().imap.url_submitters}
    return await is_own(session.services, session.peer, user)


def _is_access(access: str) -> bool:
    return access in ACCESSES or any(access.startswith(kind) and len(access) > len(kind) for kind in _NAMED_ACCESSES)
