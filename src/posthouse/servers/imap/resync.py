"""QRESYNC: what happened while the client was away, told at SELECT and by FETCH's VANISHED (RFC 7162 §3.2.5, §3.2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Qresync
from posthouse.protocols.imap.sequence import SequenceSet
from posthouse.servers.imap.changes import tell_flags
from posthouse.servers.imap.numbers import NUMBERS_ARE_OFF
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession


async def tell(session: ImapSession, known: Qresync) -> None:
    """VANISHED (EARLIER) and FETCH for all that is newer than what the client knows; nothing if UIDVALIDITY differs."""
    mailbox = session.mailbox()
    if known.matches is not None and session.uid_only:
        raise Refused(NUMBERS_ARE_OFF, code="UIDREQUIRED", status="BAD")
    if known.uid_validity != mailbox.info.uid_validity:
        return
    await tell_vanished(session, known.mod_seq, known.known_uids)
    view = await mailbox.view()
    indexes = [at for at, mod_seq in enumerate(view.mod_seqs) if mod_seq > known.mod_seq]
    if known.known_uids is not None:
        chosen = set(known.known_uids.among(view.uids))
        indexes = [at for at in indexes if view.uids[at] in chosen]
    await tell_flags(session, view, view.rows.at(indexes))


async def tell_vanished(session: ImapSession, since_mod_seq: int, among: SequenceSet | None) -> None:
    """The UIDs, of those in ``among``, that went after ``since_mod_seq``."""
    mailbox = session.mailbox()
    changes = await session.services.store.changes(mailbox.mailbox_id, since_mod_seq)
    gone: Sequence[int] = changes.vanished
    if among is not None and gone:
        gone = among.among(gone)
    if gone:
        session.write(responses.vanished_line(gone, earlier=True))
