"""FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162, RFC 8970, RFC 9394).

What does not need a message's content goes out by templates, some hundred messages at a time: a column for each item, from the
view or from the store's ready-made facts, so nothing is parsed. Messages that must be opened go one by one. After each batch
the session waits for a slow client and other sessions get their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.view import MailboxView
from posthouse.model.mailbox import SEEN, MessageFacts, MessageRow
from posthouse.protocols.imap import dates
from posthouse.protocols.imap.commands import Fetch, FetchModifiers
from posthouse.protocols.imap.fetch_items import Attribute, BodySection, FetchItem, Preview
from posthouse.servers.imap import fetch_body, resync
from posthouse.servers.imap.flag_texts import FlagTexts, flag_texts
from posthouse.servers.imap.numbers import chosen
from posthouse.servers.imap.refusal import Refused

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_VIEW_BATCH = 1000
_FACTS_BATCH = 250
_OPENED_PER_TURN = 16
_VIEW_ITEMS = frozenset({Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ, Attribute.THREADID})
_TEMPLATES: dict[Attribute, bytes] = {
    Attribute.UID: b"UID %d",
    Attribute.FLAGS: b"FLAGS %b",
    Attribute.MODSEQ: b"MODSEQ (%d)",
    Attribute.INTERNALDATE: b"INTERNALDATE %b",
    Attribute.RFC822_SIZE: b"RFC822.SIZE %d",
    Attribute.ENVELOPE: b"ENVELOPE %b",
    Attribute.BODY: b"BODY %b",
    Attribute.BODYSTRUCTURE: b"BODYSTRUCTURE %b",
    Attribute.EMAILID: b"EMAILID (%b)",
    Attribute.THREADID: b"THREADID %b",
    Attribute.SAVEDATE: b"SAVEDATE %b",
}


async def fetch(session: ImapSession, command: Fetch) -> str:
    """FETCH."""
    modifiers, items = command.modifiers, list(command.items)
    if modifiers.vanished and not (session.qresync and command.uid):
        raise Refused("VANISHED needs UID FETCH and QRESYNC", status="BAD")
    if Attribute.MODSEQ in items:
        session.condstore = True
    view, indexes = await chosen(session, command.sequence, uid=command.uid)
    if modifiers.vanished and modifiers.changed_since is not None:
        await resync.tell_vanished(session, modifiers.changed_since, command.sequence)
    indexes = _narrowed(view, indexes, modifiers)
    if any(isinstance(item, BodySection) and not item.peek for item in items):
        shown = await _mark_seen(session, view, indexes)
        if shown and Attribute.FLAGS not in items:
            items.append(Attribute.FLAGS)
            if session.condstore and Attribute.MODSEQ not in items:
                items.append(Attribute.MODSEQ)
        view = await session.mailbox().view()
    attributes = [item for item in items if isinstance(item, Attribute)]
    texts = flag_texts(session.mailbox().keywords)
    if len(attributes) < len(items):
        problems = await _fetch_opened(session, view, indexes, items)
    elif _VIEW_ITEMS.issuperset(attributes):
        await _fetch_view(session, view, indexes, attributes, texts)
        problems = False
    else:
        problems = await _fetch_facts(session, view, indexes, attributes, texts)
    if problems:
        raise Refused("Some of the messages no longer exist", code="EXPUNGEISSUED")
    return "FETCH completed"


def _narrowed(view: MailboxView, indexes: Sequence[int], modifiers: FetchModifiers) -> Sequence[int]:
    """By CHANGEDSINCE, then by PARTIAL."""
    if modifiers.changed_since is not None:
        mod_seqs, since = view.mod_seqs, modifiers.changed_since
        indexes = [at for at in indexes if mod_seqs[at] > since]
    if modifiers.partial is not None:
        first, last = sorted(map(abs, modifiers.partial))
        if modifiers.partial[0] < 0:
            return indexes[max(len(indexes) - last, 0) : max(len(indexes) - first + 1, 0)]
        return indexes[first - 1 : last]
    return indexes


async def _mark_seen(session: ImapSession, view: MailboxView, indexes: Sequence[int]) -> bool:
    """Sets \\Seen on all that lack it, as one unit; whether the view has it now, so that the answer must show FLAGS.

    If it has not, because others changed the mailbox meanwhile, the command's end tells.
    """
    mailbox = session.mailbox()
    unseen = [view.uids[at] for at in indexes if not view.flags[at] & SEEN]
    if mailbox.read_only or not unseen:
        return False
    result = await session.services.store.store_flags(mailbox.mailbox_id, unseen, "add", ["\\Seen"])
    session.touched()
    if not mailbox.applied(result, view):
        return False
    told(session, result.rows)
    return True


def told(session: ImapSession, rows: Sequence[MessageRow]) -> None:
    """These rows are about to be shown to the client: the command's end need not tell them again."""
    session.mailbox().mark_told([(row.uid, row.mod_seq) for row in rows])
    session.touched()


async def _fetch_view(
    session: ImapSession, view: MailboxView, indexes: Sequence[int], attributes: Sequence[Attribute], texts: FlagTexts
) -> None:
    template = _template(attributes)
    for start in range(0, len(indexes), _VIEW_BATCH):
        batch = indexes[start : start + _VIEW_BATCH]
        columns = [_view_column(item, view, batch, texts) for item in attributes]
        rows = zip([at + 1 for at in batch], *columns, strict=True)
        session.write(b"".join([template % row for row in rows]))
        await session.drain()
        if start + _VIEW_BATCH < len(indexes):
            await asyncio.sleep(0)


async def _fetch_facts(
    session: ImapSession, view: MailboxView, indexes: Sequence[int], attributes: Sequence[Attribute], texts: FlagTexts
) -> bool:
    """Whether some of the messages were gone."""
    template = _template(attributes)
    missing = False
    for start in range(0, len(indexes), _FACTS_BATCH):
        batch = indexes[start : start + _FACTS_BATCH]
        facts, batch = await facts_of(session, view, batch)
        missing = missing or len(batch) < min(_FACTS_BATCH, len(indexes) - start)
        columns = [
            _view_column(item, view, batch, texts) if item in _VIEW_ITEMS else _facts_column(item, facts) for item in attributes
        ]
        rows = zip([at + 1 for at in batch], *columns, strict=True)
        session.write(b"".join([template % row for row in rows]))
        await session.drain()
        if start + _FACTS_BATCH < len(indexes):
            await asyncio.sleep(0)
    return missing


async def facts_of(
    session: ImapSession, view: MailboxView, indexes: Sequence[int]
) -> tuple[Sequence[MessageFacts], Sequence[int]]:
    """Facts of the messages that still exist, and their indexes."""
    facts = await session.services.store.facts(session.mailbox().mailbox_id, [view.uids[at] for at in indexes])
    if len(facts) == len(indexes):
        return facts, indexes
    return facts, [view.index(one.uid) for one in facts]


async def _fetch_opened(session: ImapSession, view: MailboxView, indexes: Sequence[int], items: Sequence[FetchItem]) -> bool:
    """Messages whose content is needed, one by one; whether some were gone."""
    missing = False
    once = sum(isinstance(item, (BodySection, Preview)) for item in items) == 1
    for start in range(0, len(indexes), _FACTS_BATCH):
        batch = indexes[start : start + _FACTS_BATCH]
        facts, batch = await facts_of(session, view, batch)
        missing = missing or len(batch) < min(_FACTS_BATCH, len(indexes) - start)
        for at, one in zip(batch, facts, strict=True):
            message = fetch_body.Message(session.shared.opened, one, keep=len(indexes) == 1 or not once)
            pieces = [await _piece(session, view, at, item, message) for item in items]
            if any(piece is None for piece in pieces):
                missing = True
                continue
            session.write(b"* %d FETCH (%b)\r\n" % (at + 1, b" ".join([piece or b"" for piece in pieces])))
            await session.drain()
            if at % _OPENED_PER_TURN == 0:
                await asyncio.sleep(0)
    return missing


async def _piece(
    session: ImapSession, view: MailboxView, at: int, item: FetchItem, message: fetch_body.Message
) -> bytes | None:
    """One item of one message; None if its content is gone."""
    if isinstance(item, Attribute):
        texts = flag_texts(session.mailbox().keywords)
        if item in _VIEW_ITEMS:
            return _TEMPLATES[item] % _view_column(item, view, (at,), texts)[0]
        return _TEMPLATES[item] % _facts_column(item, (message.facts,))[0]
    return await fetch_body.render(item, message)


def _template(attributes: Sequence[Attribute]) -> bytes:
    return b"* %d FETCH (" + b" ".join([_TEMPLATES[item] for item in attributes]) + b")\r\n"


def _view_column(item: Attribute, view: MailboxView, batch: Sequence[int], texts: FlagTexts) -> Sequence[int | bytes]:
    if item is Attribute.UID:
        return [view.uids[at] for at in batch]
    if item is Attribute.FLAGS:
        flags = view.flags
        return [texts[flags[at]] for at in batch]
    if item is Attribute.MODSEQ:
        return [view.mod_seqs[at] for at in batch]
    return [b"NIL"] * len(batch)


def _facts_column(item: Attribute, facts: Sequence[MessageFacts]) -> Sequence[int | bytes]:
    match item:
        case Attribute.ENVELOPE:
            return [one.envelope for one in facts]
        case Attribute.BODYSTRUCTURE:
            return [one.bodystructure for one in facts]
        case Attribute.BODY:
            return [one.body for one in facts]
        case Attribute.RFC822_SIZE:
            return [one.size_bytes for one in facts]
        case Attribute.INTERNALDATE:
            return [dates.render_moment(one.received_at) for one in facts]
        case Attribute.SAVEDATE:
            return [dates.render_moment(one.saved_at) for one in facts]
        case _:
            return [one.object_id.encode("ascii") for one in facts]
