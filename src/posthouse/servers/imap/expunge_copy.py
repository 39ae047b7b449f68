"""EXPUNGE, COPY, MOVE and their UID forms (RFC 9051 §6.4.3, §6.4.7, §6.4.8; RFC 4315, RFC 6851)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.view import MailboxView
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Copy, Expunge, Move
from posthouse.servers.imap import teaching
from posthouse.servers.imap.message_limit import newest, refuse_more
from posthouse.servers.imap.numbers import chosen
from posthouse.servers.imap.others import copy_messages, require
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done
from posthouse.servers.imap.targets import target

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def expunge(session: ImapSession, command: Expunge) -> Done:
    """EXPUNGE; what went is told when the session catches up, in the order that keeps the numbers right."""
    mailbox = session.mailbox()
    if mailbox.read_only:
        raise Refused("The mailbox is open read only", code="CANNOT")
    require(session, "e")
    uids: Sequence[int] | None = None
    limited = b""
    if command.uids is not None:
        view, indexes = await chosen(session, command.uids, uid=True)
        indexes, limited = newest(session, view, indexes)
        uids = [view.uids[at] for at in indexes]
    if uids is None or uids:
        await session.services.store.expunge(mailbox.mailbox_id, uids)
    if not session.condstore or limited:
        return "EXPUNGE completed", limited
    await session.catch_up(expunge=True)
    return "EXPUNGE completed", b"HIGHESTMODSEQ %d" % mailbox.mod_seq


async def copy(session: ImapSession, command: Copy) -> Done:
    """COPY: all messages or none."""
    await session.catch_up(expunge=command.uid)
    view, indexes = await chosen(session, command.sequence, uid=command.uid)
    refuse_more(session, len(indexes))
    uids = _uids(session, view, indexes)
    box = await target(session, command.mailbox)
    copied = await copy_messages(session, uids, box)
    if not copied.source_uids:
        return "COPY completed; there was nothing to copy"
    teaching.copied(session, box, copied.target_uids)
    return "COPY completed", responses.copy_uid(copied.uid_validity, copied.source_uids, copied.target_uids)


async def move(session: ImapSession, command: Move) -> Done:
    """MOVE: COPYUID in an untagged OK before the EXPUNGEs, as RFC 6851 §4.3 wants it."""
    mailbox = session.mailbox()
    if mailbox.read_only:
        raise Refused("The mailbox is open read only", code="CANNOT")
    await session.catch_up(expunge=command.uid)
    view, indexes = await chosen(session, command.sequence, uid=command.uid)
    indexes, limited = newest(session, view, indexes)
    uids = _uids(session, view, indexes)
    box = await target(session, command.mailbox)
    copied = await copy_messages(session, uids, box, move=True)
    if copied.source_uids:
        teaching.copied(session, box, copied.target_uids)
        code = responses.copy_uid(copied.uid_validity, copied.source_uids, copied.target_uids)
        session.write(responses.untagged("OK", "Moved", code))
    return "MOVE completed", limited


def _uids(session: ImapSession, view: MailboxView, indexes: Sequence[int]) -> Sequence[int]:
    uids = [view.uids[at] for at in indexes]
    if any(session.mailbox().is_ghost(one) for one in uids):
        raise Refused("Some of the messages no longer exist", code="EXPUNGEISSUED")
    return uids
