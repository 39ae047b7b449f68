"""GETMETADATA and SETMETADATA (RFC 5464), and METADATA in LIST (RFC 9590).

``/private`` annotations are each user's own, ``/shared`` ones belong to the mailbox; those of the server are set by the
administrator. Some mean something to us (``model.expiry``) and are checked before they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.interfaces.usage import SERVER, SHARED, Annotation
from posthouse.model.expiry import ENTRY as EXPIRE
from posthouse.model.expiry import Expiry
from posthouse.model.mailbox import MailboxInfo
from posthouse.protocols.imap.parse_metadata import GetMetadata, SetMetadata, metadata_line
from posthouse.servers.imap.places import reach
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_PRIVATE = "/private/"


async def get_metadata(session: ImapSession, command: GetMetadata) -> Done:
    """GETMETADATA. What is asked for by its full name and is not there is NIL."""
    mailbox_id, shown = SERVER, ""
    if command.mailbox:
        info = (await reach(session, command.mailbox)).require("r")
        mailbox_id, shown = info.mailbox_id, info.name
    kept = await _kept(session, mailbox_id, command.entries)
    found: dict[str, bytes | None] = {}
    longest = 0
    for asked in command.entries:
        matching = [(name, value) for name, value in kept if _within(name, asked, command.depth)]
        for name, value in matching:
            if command.max_size is not None and len(value) > command.max_size:
                longest = max(longest, len(value))
            else:
                found[name] = value
        if not matching and not command.depth:
            found[asked] = None
    if found:
        session.write(metadata_line(shown, list(found.items()), utf8=session.utf8))
    return "GETMETADATA completed", b"METADATA LONGENTRIES %d" % longest if longest else b""


async def set_metadata(session: ImapSession, command: SetMetadata) -> str:
    """SETMETADATA: all entries or none."""
    limit = session.services.settings().store.max_annotation_bytes
    if any(value is not None and len(value) > limit for _, value in command.entries):
        raise Refused("The value is too large", code=f"METADATA MAXSIZE {limit}")
    private = [pair for pair in command.entries if pair[0].startswith(_PRIVATE)]
    shared = [pair for pair in command.entries if not pair[0].startswith(_PRIVATE)]
    if private and shared:
        raise Refused("Set private and shared annotations apart", code="CANNOT")
    mailbox_id = SERVER
    if command.mailbox:
        place = await reach(session, command.mailbox)
        mailbox_id = place.require(_needed(shared)).mailbox_id
    elif shared:
        raise Refused("Shared annotations of the server are the administrator's", code="NOPERM")
    for name, value in shared:
        if name == EXPIRE and value is not None:
            Expiry.parse(value.decode("utf-8", "replace"))
    store = session.services.store
    await store.annotate(mailbox_id, session.account_id if private else SHARED, private or shared)
    return "SETMETADATA completed"


def _needed(shared: Sequence[tuple[str, bytes | None]]) -> str:
    """The rights on a mailbox (RFC 5464 §3.1, RFC 4314): who has others' messages expire must be let delete them."""
    if not shared:
        return "r"
    return "rwte" if any(name == EXPIRE for name, _ in shared) else "rw"


async def write_listed(session: ImapSession, info: MailboxInfo, entries: Sequence[str]) -> None:
    """The METADATA response to a LIST that asked for it."""
    kept = dict(await _kept(session, info.mailbox_id, entries))
    session.write(metadata_line(info.name, [(name, kept.get(name)) for name in entries], utf8=session.utf8))


async def _kept(session: ImapSession, mailbox_id: int, asked: Sequence[str]) -> list[Annotation]:
    store = session.services.store
    kept: list[Annotation] = []
    if any(name.startswith(_PRIVATE) for name in asked):
        kept += await store.annotations(mailbox_id, session.account_id)
    if any(not name.startswith(_PRIVATE) for name in asked):
        kept += await store.annotations(mailbox_id, SHARED)
    return kept


def _within(name: str, asked: str, depth: int) -> bool:
    return name == asked or (name.startswith(asked + "/") and name[len(asked) :].count("/") <= depth)
