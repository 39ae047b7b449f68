"""STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posthouse.model.mailbox import SYSTEM_FLAGS
from posthouse.model.message_rows import MessageRows
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Store
from posthouse.servers.imap import teaching
from posthouse.servers.imap.changes import numbers_of, tell_flags, tell_keywords
from posthouse.servers.imap.fetch import told
from posthouse.servers.imap.fetch_lines import Column, lines
from posthouse.servers.imap.message_limit import newest
from posthouse.servers.imap.numbers import chosen
from posthouse.servers.imap.others import change_flags
from posthouse.servers.imap.refusal import Refused
from posthouse.servers.imap.routes import Done

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_SYSTEM = frozenset(name for _, name in SYSTEM_FLAGS)


async def store(session: ImapSession, command: Store) -> Done:
    """STORE. One unit for the whole set; the answer waits until it is durable. By number it needs no look before: the store
    says whether the mailbox was as the client knows it."""
    mailbox = session.mailbox()
    if mailbox.read_only:
        raise Refused("The mailbox is open read only", code="CANNOT")
    if command.unchanged_since is not None:
        session.condstore = True
    view, indexes = await chosen(session, command.sequence, uid=command.uid)
    indexes, limited = newest(session, view, indexes)
    if not indexes:
        session.touched()
        return "STORE completed"
    uids = view.uids[indexes.start : indexes.stop] if isinstance(indexes, range) else [view.uids[at] for at in indexes]
    result = await change_flags(session, uids, command.action, command.flags, command.unchanged_since)
    if not _SYSTEM.issuperset(command.flags) and await mailbox.learn_keywords():
        tell_keywords(session)
    if not mailbox.applied(result, view):
        if command.uid or not command.silent:
            told(session, result.rows)
        if not command.uid:  # something else has happened, which the client must know first, as what the flags mean
            await session.catch_up(expunge=False)
    teaching.stored(session, result.rows, command.action, command.flags)
    await _answer(session, command, MessageRows.of(result.rows), view.mod_seq)
    gone = mailbox.has_ghosts and any(mailbox.is_ghost(uid) for uid in uids)
    if result.modified:
        numbers = result.modified if command.uid else [view.index(uid) + 1 for uid in result.modified]
        if limited:
            session.write(responses.untagged("OK", "The others were left alone", limited))
        return "Conditional STORE failed for some", responses.modified(numbers)
    if gone or len(result.rows) < len(uids):
        raise Refused("Some of the messages no longer exist", code="EXPUNGEISSUED")
    return "STORE completed", limited


async def _answer(session: ImapSession, command: Store, rows: MessageRows, before: int) -> None:
    """FETCH for every row; after ``.SILENT`` none, or with CONDSTORE the new mod-sequences of those that changed."""
    if command.silent and not session.condstore:
        return
    view = await session.mailbox().view()
    if not command.silent:
        # What a plain STORE asked for is answered by number alone (RFC 9051 §6.4.9): half the text.
        await tell_flags(session, view, rows, uids=command.uid or session.condstore or session.rev2)
        return
    rows = rows.at([at for at, mod_seq in enumerate(rows.mod_seqs) if mod_seq > before])
    columns: list[Column] = [(b"MODSEQ (%d)", [rows.mod_seqs])]
    if not session.uid_only:
        columns.insert(0, (b"UID %d", [rows.uids]))
    session.write(lines(session.fetch_word, numbers_of(session, view, rows.uids), columns))
