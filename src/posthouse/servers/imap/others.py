"""Working in a mailbox that is not one's own: opening it, its flags within one's rights, copying (RFC 4314 §4, §5).

For one's own mailboxes everything here comes down to one comparison, and the store is asked as if there were no sharing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posthouse.interfaces.mailstore import FlagAction
from posthouse.mailstore.as_reader import AsReader
from posthouse.mailstore.selected import SelectedMailbox
from posthouse.mailstore.views import MailboxViews
from posthouse.model.flags import flag_names, known_bits, on_offer
from posthouse.model.mailbox import MAX_KEYWORDS, SEEN, SYSTEM_FLAGS, Copied, FlagsChanged, MailboxInfo, NewMessage
from posthouse.model.rights import CopyReaders, Reader, changes_anything, flags_allowed
from posthouse.protocols.imap import responses
from posthouse.servers.imap.places import NO_MAILBOX, NO_RIGHT, Place, rights_on
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_SYSTEM = {name.lower(): bit for bit, name in SYSTEM_FLAGS}


async def opened(session: ImapSession, place: Place, *, examine: bool) -> tuple[SelectedMailbox, MailboxInfo]:
    """The selected mailbox, and its facts as its reader has them."""
    info = place.require("r")
    store = session.services.store
    if not place.reader:
        return SelectedMailbox(store, session.shared.views, info, read_only=examine), info
    source = AsReader(store, place.reader)
    read_only = examine or not changes_anything(place.rights)
    info = await as_read(session, place, info)
    views = MailboxViews(source)
    return SelectedMailbox(source, views, info, read_only=read_only, reader=place.reader, rights=place.rights), info


async def as_read(session: ImapSession, place: Place, info: MailboxInfo) -> MailboxInfo:
    """A mailbox's facts with the number of messages that its reader has not seen."""
    if not place.reader:
        return info
    return replace(info, unseen=await session.services.store.reader_unseen(info.mailbox_id, place.reader))


async def still_readable(session: ImapSession) -> bool:
    """Looks up what may be done with the selected mailbox, which is another's; False when it may not be read any more."""
    mailbox = session.mailbox()
    rights = await rights_on(session, mailbox.mailbox_id)
    if rights != mailbox.rights:
        mailbox.rights = rights
        if "r" in rights and not mailbox.read_only:
            session.write(responses.untagged("OK", "Your rights have changed", permanent_flags(mailbox)))
    return "r" in rights


async def check_access(session: ImapSession, *, needed: bool) -> None:
    """Before a command of a session that has another's mailbox open: without the right to read it, it is closed.

    ``needed``: the command is about the mailbox. Raises Refused then.
    """
    if await still_readable(session):
        return
    lost = session.mailbox()
    session.deselect()
    session.write(responses.untagged("OK", "The mailbox is closed", b"CLOSED"))
    if needed:
        hidden = "l" not in lost.rights
        raise Refused(NO_MAILBOX if hidden else NO_RIGHT, code="NONEXISTENT" if hidden else "NOPERM")


def require(session: ImapSession, rights: str) -> None:
    """Raises Refused if the selected mailbox is another's and these rights are not held there."""
    mailbox = session.mailbox()
    if mailbox.reader and not all(right in mailbox.rights for right in rights):
        raise Refused(NO_RIGHT, code="NOPERM")


def permanent_flags(mailbox: SelectedMailbox) -> bytes:
    """The code PERMANENTFLAGS: what this client may change for good (RFC 4314 §5.1.1)."""
    if not mailbox.reader:
        return responses.permanent_flags(on_offer(mailbox.keywords), new_keywords=len(mailbox.keywords) < MAX_KEYWORDS)
    mask = flags_allowed(mailbox.rights)
    names = list(flag_names(mask, mailbox.keywords))
    if "w" in mailbox.rights:
        names += on_offer(mailbox.keywords)[len(mailbox.keywords) :]
    if "w" in mailbox.rights and len(mailbox.keywords) < MAX_KEYWORDS:
        names.append("\\*")
    return b"PERMANENTFLAGS (%b)" % " ".join(names).encode("ascii")


async def change_flags(
    session: ImapSession, uids: Sequence[int], action: FlagAction, flags: Sequence[str], unchanged_since: int | None = None
) -> FlagsChanged:
    """STORE in the selected mailbox; what the client may not change is left alone (RFC 4314 §4). Raises Refused (NOPERM)."""
    mailbox, store = session.mailbox(), session.services.store
    if not mailbox.reader:
        return await store.store_flags(mailbox.mailbox_id, uids, action, flags, unchanged_since)
    mask = flags_allowed(mailbox.rights)
    allowed = allowed_names(flags, mailbox.rights)
    if not mask or (flags and not allowed and action != "replace"):
        raise Refused(NO_RIGHT, code="NOPERM")
    reader = Reader(mailbox.reader, mask)
    return await store.store_reader_flags(mailbox.mailbox_id, uids, action, allowed, unchanged_since, reader)


def allowed_names(flags: Sequence[str], rights: str) -> list[str]:
    """Those of the flags that may be set with these rights."""
    mask = flags_allowed(rights)
    return [name for name in flags if (mask & _SYSTEM[name.lower()] if name.lower() in _SYSTEM else "w" in rights)]


def fitted(place: Place, message: NewMessage) -> NewMessage:
    """A message for another's mailbox: with the flags that may be set there, its \\Seen for its sender alone."""
    if not place.reader:
        return message
    names = allowed_names(message.flags, place.rights)
    seen = known_bits(names, ()) & SEEN
    return replace(
        message,
        flags=tuple(name for name in names if name.lower() != "\\seen"),
        seen_by=place.reader if seen else 0,
    )


async def copy_messages(session: ImapSession, uids: Sequence[int], target: Place, *, move: bool = False) -> Copied:
    """COPY and MOVE out of the selected mailbox. Raises Refused (NOPERM) if nothing may be taken out."""
    mailbox, store = session.mailbox(), session.services.store
    if not mailbox.reader and not target.reader:
        return await store.copy(mailbox.mailbox_id, uids, target.mailbox_id, move=move)
    if move:
        require(session, "te")
    readers = CopyReaders(mailbox.reader, target.reader, flags_allowed(target.rights))
    return await store.copy_between(mailbox.mailbox_id, uids, target.mailbox_id, readers, move=move)
