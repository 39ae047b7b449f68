"""Tells a client what happened to its selected mailbox: EXPUNGE or VANISHED, EXISTS, FLAGS, FETCH (RFC 9051 §7, RFC 7162)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.selected import NOTHING, Update
from posthouse.protocols.imap import responses
from posthouse.servers.imap.flag_texts import flag_texts
from posthouse.servers.imap.others import permanent_flags

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_BATCH = 1000


async def tell(session: ImapSession, update: Update) -> None:
    """Writes an update of ``SelectedMailbox.sync`` in the order in which its numbers hold. Raises Disconnected."""
    if update is NOTHING:
        return
    mailbox = session.mailbox()
    if update.expunged:
        if session.qresync or session.uid_only:
            session.write(responses.vanished_line(update.gone_uids))
        else:
            session.write(responses.expunge_lines(update.expunged))
    if update.exists is not None:
        session.write(responses.exists_line(update.exists))
    if update.keywords:
        tell_keywords(session)
    if update.changed:
        view = await mailbox.view()
        rows = [(at + 1, view.uids[at], view.flags[at], view.mod_seqs[at]) for at in update.changed]
        await tell_flags(session, rows, mailbox.keywords)


def tell_keywords(session: ImapSession) -> None:
    """FLAGS and PERMANENTFLAGS, at SELECT and when the mailbox has more keywords (RFC 9051 §7.1, §7.3.5)."""
    mailbox = session.mailbox()
    keywords = mailbox.keywords
    session.write(responses.flags_line(keywords))
    code = b"PERMANENTFLAGS ()"
    if not mailbox.read_only:
        code = permanent_flags(mailbox)
    session.write(responses.untagged("OK", "Flags permitted", code))


async def tell_flags(session: ImapSession, rows: Sequence[tuple[int, int, int, int]], keywords: tuple[str, ...]) -> None:
    """FETCH responses for (number, UID, flags, mod-sequence): with MODSEQ if CONDSTORE is on. Raises Disconnected."""
    texts, word = flag_texts(keywords), session.fetch_word
    if session.uid_only:
        rows = [(uid, uid, bits, mod_seq) for _, uid, bits, mod_seq in rows]
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        named = [(n, word, b"" if session.uid_only else b"UID %d " % uid, texts[bits], m) for n, uid, bits, m in batch]
        if session.condstore:
            lines = [b"* %d %b (%bFLAGS %b MODSEQ (%d))\r\n" % row for row in named]
        else:
            lines = [b"* %d %b (%bFLAGS %b)\r\n" % row[:4] for row in named]
        session.write(b"".join(lines))
        if start + _BATCH < len(rows):
            await session.drain()
            await asyncio.sleep(0)
