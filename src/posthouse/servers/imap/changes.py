"""Tells a client what happened to its selected mailbox: EXPUNGE or VANISHED, EXISTS, FLAGS, FETCH (RFC 9051 §7, RFC 7162)."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from posthouse.mailstore.selected import NOTHING, Update
from posthouse.mailstore.view import MailboxView
from posthouse.model.flags import on_offer
from posthouse.model.mailbox import MAX_KEYWORDS
from posthouse.model.message_rows import MessageRows
from posthouse.protocols.imap import responses
from posthouse.servers.imap.fetch_lines import Column, lines
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
        await tell_flags(session, view, view.rows.at(update.changed))


def tell_keywords(session: ImapSession) -> None:
    """FLAGS and PERMANENTFLAGS, at SELECT and when the mailbox has more keywords (RFC 9051 §7.1, §7.3.5)."""
    mailbox = session.mailbox()
    if mailbox.reader:
        code = b"PERMANENTFLAGS ()" if mailbox.read_only else permanent_flags(mailbox)
        session.write(_keyword_lines(mailbox.keywords, code))
    else:
        session.write(_own_keyword_lines(mailbox.keywords, mailbox.read_only))


@lru_cache(maxsize=1024)
def _own_keyword_lines(keywords: tuple[str, ...], read_only: bool) -> bytes:  # noqa: FBT001
    more = len(keywords) < MAX_KEYWORDS
    code = b"PERMANENTFLAGS ()" if read_only else responses.permanent_flags(on_offer(keywords), new_keywords=more)
    return _keyword_lines(keywords, code)


def _keyword_lines(keywords: tuple[str, ...], code: bytes) -> bytes:
    return responses.flags_line(on_offer(keywords)) + responses.untagged("OK", "Flags permitted", code)


async def tell_flags(session: ImapSession, view: MailboxView, rows: MessageRows, *, uids: bool = True) -> None:
    """FETCH responses for messages of the client's view: with ``uids``, and with MODSEQ if CONDSTORE is on. Raises
    Disconnected."""
    texts = flag_texts(session.mailbox().keywords)
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        columns: list[Column] = [(b"FLAGS %b", [texts.of(batch.flags)])]
        if uids and not session.uid_only:
            columns.insert(0, (b"UID %d", [batch.uids]))
        if session.condstore:
            columns.append((b"MODSEQ (%d)", [batch.mod_seqs]))
        session.write(lines(session.fetch_word, numbers_of(session, view, batch.uids), columns))
        if start + _BATCH < len(rows):
            await session.drain()
            await asyncio.sleep(0)


def numbers_of(session: ImapSession, view: MailboxView, uids: array[int]) -> Sequence[int]:
    """What FETCH responses about these messages begin with: message numbers, or UIDs with UIDONLY on (RFC 9586 §3.3)."""
    if session.uid_only:
        return uids
    places = view.places(uids)
    return range(places.start + 1, places.stop + 1) if isinstance(places, range) else [place + 1 for place in places]
