"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 §6.3.2, §6.3.3, §6.4.1; RFC 3691, RFC 7162, RFC 8474).

Opening a mailbox reads its facts only; the view of its messages is loaded by the first command that needs it. So the first
unseen message's number (rev1's UNSEEN code) is told when the facts say it, or when another session has the view already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Close, Select, Unselect
from posthouse.servers.imap import changes, resync
from posthouse.servers.imap.list_mailboxes import plain_list_line
from posthouse.servers.imap.others import opened
from posthouse.servers.imap.places import reach
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def select(session: ImapSession, command: Select) -> Done:
    """SELECT and EXAMINE. Whatever happens, the mailbox that was selected before is not any more."""
    if session.deselect():
        session.write(b"* OK [CLOSED] Previous mailbox closed\r\n")
    if command.qresync is not None and not session.qresync:
        raise Refused("ENABLE QRESYNC first", status="BAD")
    place = await reach(session, command.mailbox)
    if not place.require("r").selectable:
        raise Refused("The mailbox cannot be selected", code="NONEXISTENT")
    session.condstore = session.condstore or command.condstore
    mailbox, info = await opened(session, place, examine=command.examine)
    session.select(mailbox)
    changes.tell_keywords(session)
    session.write(
        b"* %d EXISTS\r\n%b* OK [UIDVALIDITY %d] UIDs valid\r\n* OK [UIDNEXT %d] Predicted next UID\r\n"
        b"* OK [HIGHESTMODSEQ %d] Highest\r\n* OK [MAILBOXID (%b)] Ok\r\n* OK [URLMECH INTERNAL] Ok\r\n"
        % (
            info.exists,
            b"" if session.rev2 else responses.recent_line(),
            info.uid_validity,
            info.uid_next,
            info.mod_seq,
            info.object_id.encode("ascii"),
        )
    )
    if not (session.rev2 or session.uid_only) and (unseen := session.shared.views.first_unseen(info)):
        session.write(responses.untagged("OK", "First unseen", b"UNSEEN %d" % unseen))
    if session.rev2:
        session.write(plain_list_line(info, utf8=True))
    if command.qresync is not None:
        await resync.tell(session, command.qresync)
    return "EXAMINE completed" if command.examine else "SELECT completed", b"READ-ONLY" if mailbox.read_only else b"READ-WRITE"


async def close(session: ImapSession, _command: Close) -> str:
    """CLOSE: expunges without telling, unless read only."""
    mailbox = session.mailbox()
    store = session.services.store
    try:
        kept = mailbox.read_only or "e" not in mailbox.rights
        now = None if kept else await store.mailbox_by_id(mailbox.mailbox_id)
        if now is not None and now.deleted:
            await store.expunge(mailbox.mailbox_id, None)
    finally:
        session.deselect()
    return "CLOSE completed"


async def unselect(session: ImapSession, _command: Unselect) -> str:
    """UNSELECT: CLOSE without the expunge."""
    session.deselect()
    return "UNSELECT completed"
