"""STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.model.mailbox import SYSTEM_FLAGS, MessageRow
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Store
from posthouse.servers.imap.changes import tell_flags, tell_keywords
from posthouse.servers.imap.fetch import told
from posthouse.servers.imap.message_limit import newest
from posthouse.servers.imap.numbers import chosen
from posthouse.servers.imap.others import change_flags
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_SYSTEM = frozenset(name for _, name in SYSTEM_FLAGS)


async def store(session: ImapSession, command: Store) -> Done:
    """STORE. One unit for the whole set; the answer waits until it is durable."""
    mailbox = session.mailbox()
    if mailbox.read_only:
        raise Refused("The mailbox is open read only", code="CANNOT")
    if command.unchanged_since is not None:
        session.condstore = True
    view, indexes = await chosen(session, command.sequence, uid=command.uid)
    indexes, limited = newest(session, view, indexes)
    if not indexes:
        return "STORE completed"
    uids = [view.uids[at] for at in indexes]
    result = await change_flags(session, uids, command.action, command.flags, command.unchanged_since)
    if not _SYSTEM.issuperset(command.flags) and await mailbox.learn_keywords():
        tell_keywords(session)
    mailbox.applied(result, view)
    await _answer(session, command, result.rows, view.mod_seq)
    gone = any(mailbox.is_ghost(uid) for uid in uids)
    if result.modified:
        numbers = result.modified if command.uid else [view.index(uid) + 1 for uid in result.modified]
        if limited:
            session.write(responses.untagged("OK", "The others were left alone", limited))
        return "Conditional STORE failed for some", responses.modified(numbers)
    if gone or len(result.rows) < len(uids):
        raise Refused("Some of the messages no longer exist", code="EXPUNGEISSUED")
    return "STORE completed", limited


async def _answer(session: ImapSession, command: Store, rows: tuple[MessageRow, ...], before: int) -> None:
    """FETCH for every row; after ``.SILENT`` none, or with CONDSTORE the new mod-sequences of those that changed."""
    mailbox = session.mailbox()
    told(session, rows)
    view = await mailbox.view()
    if not command.silent:
        numbered = [(view.index(row.uid) + 1, row.uid, row.flags, row.mod_seq) for row in rows]
        await tell_flags(session, numbered, mailbox.keywords)
    elif session.condstore:
        new = [row for row in rows if row.mod_seq > before]
        if session.uid_only:
            lines = [b"* %d UIDFETCH (MODSEQ (%d))\r\n" % (row.uid, row.mod_seq) for row in new]
        else:
            lines = [b"* %d FETCH (UID %d MODSEQ (%d))\r\n" % (view.index(row.uid) + 1, row.uid, row.mod_seq) for row in new]
        session.write(b"".join(lines))
