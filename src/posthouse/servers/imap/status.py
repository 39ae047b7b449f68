"""STATUS, alone and for LIST-STATUS (RFC 9051 §6.3.11, RFC 7162, RFC 8438, RFC 8474, RFC 7889, RFC 9208)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.model.mailbox import MailboxInfo
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Status, StatusItem
from posthouse.servers.imap.others import as_read
from posthouse.servers.imap.places import reach
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def status(session: ImapSession, command: Status) -> str:
    """STATUS."""
    place = await reach(session, command.mailbox)
    info = place.require("r")
    if not info.selectable:
        raise Refused("There is no such mailbox", code="NONEXISTENT")
    info = await as_read(session, place, info)
    write_status(session, info, command.items, await deleted_bytes(session, info, command.items))
    return "STATUS completed"


async def deleted_bytes(session: ImapSession, info: MailboxInfo, items: Sequence[StatusItem]) -> int:
    """What DELETED-STORAGE needs (RFC 9208 §4.1.4); 0 if nobody asks."""
    return await session.services.store.deleted_bytes(info.mailbox_id) if "DELETED-STORAGE" in items else 0


def write_status(session: ImapSession, info: MailboxInfo, items: Sequence[StatusItem], deleted_storage: int = 0) -> None:
    """The STATUS response. Asking for HIGHESTMODSEQ enables CONDSTORE (RFC 7162 §3.1.2)."""
    if "HIGHESTMODSEQ" in items:
        session.condstore = True
    values: dict[StatusItem, int | str] = {
        "MESSAGES": info.exists,
        "RECENT": 0,
        "UIDNEXT": info.uid_next,
        "UIDVALIDITY": info.uid_validity,
        "UNSEEN": info.unseen,
        "DELETED": info.deleted,
        "DELETED-STORAGE": deleted_storage,
        "SIZE": info.size_bytes,
        "HIGHESTMODSEQ": info.mod_seq,
        "MAILBOXID": info.object_id,
        "APPENDLIMIT": session.services.settings().imap.max_append_bytes,
    }
    session.write(responses.status_line(info.name, [(item, values[item]) for item in items], utf8=session.utf8))
