"""FETCH's answers by templates, some hundred messages at a time: a column for each item, nothing is parsed (RFC 9051 §7.5.2).

Columns come from the mailbox's view, from the store's ready-made facts and previews, or from the kept header fields; which
items can be had so says ``is_column``. After each batch the session waits for a slow client and others get their turn.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from posthouse.mailstore.header_texts import Wanted
from posthouse.mailstore.view import MailboxView
from posthouse.model.mailbox import MessageFacts
from posthouse.protocols.imap import dates
from posthouse.protocols.imap.fetch_items import Attribute, BodySection, FetchItem, Preview
from posthouse.protocols.imap.responses import literal, string
from posthouse.servers.imap.fetch_lines import Values, lines
from posthouse.servers.imap.flag_texts import FlagTexts, flag_texts

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_VIEW_BATCH = 2000
_FACTS_BATCH = 250
VIEW_ITEMS: frozenset[FetchItem] = frozenset({Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ, Attribute.THREADID})
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


def is_column(item: FetchItem) -> bool:
    """Whether the item can be answered without opening messages: all but parts, bodies and pieces of headers."""
    if isinstance(item, BodySection):
        return item.text.startswith("HEADER") and not (item.part or item.binary or item.partial)
    return True


async def write_columns(session: ImapSession, view: MailboxView, indexes: Sequence[int], items: Sequence[FetchItem]) -> bool:
    """Writes the answers; whether some of the messages were gone. Raises Disconnected."""
    templates = list(map(_template, items))
    size = _VIEW_BATCH if VIEW_ITEMS.issuperset(items) else _FACTS_BATCH
    texts = flag_texts(session.mailbox().keywords)
    missing = False
    for start in range(0, len(indexes), size):
        batch = indexes[start : start + size]
        columns, left = await _columns(session, view, batch, items, texts)
        missing = missing or len(left) < len(batch)
        numbers = [view.uids[at] for at in left] if session.uid_only else [at + 1 for at in left]
        session.write(lines(session.fetch_word, numbers, list(zip(templates, columns, strict=True))))
        await session.drain()
        if start + size < len(indexes):
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


async def _columns(
    session: ImapSession, view: MailboxView, batch: Sequence[int], items: Sequence[FetchItem], texts: FlagTexts
) -> tuple[list[Values], Sequence[int]]:
    """The columns, and the indexes of the messages that they are of: those that still exist."""
    if VIEW_ITEMS.issuperset(items):
        return [_view_column(item, view, batch, texts) for item in items], batch
    uids = [view.uids[at] for at in batch]
    found = {item: await _by_uid(session, item, uids) for item in items if not isinstance(item, Attribute)}
    facts: Sequence[MessageFacts] = ()
    if any(isinstance(item, Attribute) and item not in VIEW_ITEMS for item in items):
        facts, batch = await facts_of(session, view, batch)
    if not all(uid in values for values in found.values() for uid in uids):
        batch = [at for at in batch if all(view.uids[at] in values for values in found.values())]
        left = {view.uids[at] for at in batch}
        facts = [one for one in facts if one.uid in left]
    columns: list[Values] = []
    for item in items:
        if not isinstance(item, Attribute):
            values = found[item]
            columns.append([values[view.uids[at]] for at in batch])
        elif item in VIEW_ITEMS:
            columns.append(_view_column(item, view, batch, texts))
        else:
            columns.append(_facts_column(item, facts))
    return columns, batch


async def _by_uid(session: ImapSession, item: BodySection | Preview, uids: Sequence[int]) -> Mapping[int, bytes]:
    mailbox_id = session.mailbox().mailbox_id
    if isinstance(item, Preview):
        previews = await session.services.store.previews(mailbox_id, uids)
        return {uid: string(preview.encode("utf-8")) for uid, preview in previews}
    names = frozenset(name.lower().encode("latin-1") for name in item.fields)
    wanted = Wanted(names, exclude=item.text == "HEADER.FIELDS.NOT", raw=item.text == "HEADER")
    texts = await session.shared.headers.of(mailbox_id, uids, wanted)
    return {uid: literal(texts[uid]) for uid in uids if uid in texts}


def attribute_piece(session: ImapSession, view: MailboxView, at: int, item: Attribute, facts: MessageFacts) -> bytes:
    """One item of one message that is answered by itself."""
    if item in VIEW_ITEMS:
        return _TEMPLATES[item] % _view_column(item, view, (at,), flag_texts(session.mailbox().keywords))[0]
    return _TEMPLATES[item] % _facts_column(item, (facts,))[0]


def _template(item: FetchItem) -> bytes:
    if isinstance(item, Attribute):
        return _TEMPLATES[item]
    label = item.label if isinstance(item, BodySection) else b"PREVIEW"
    return label.replace(b"%", b"%%") + b" %b"


def _view_column(item: FetchItem, view: MailboxView, batch: Sequence[int], texts: FlagTexts) -> Values:
    if item is Attribute.UID:
        return _some(view.uids, batch)
    if item is Attribute.FLAGS:
        return list(map(texts.__getitem__, _some(view.flags, batch)))
    if item is Attribute.MODSEQ:
        return _some(view.mod_seqs, batch)
    return [b"NIL"] * len(batch)


def _some(column: array[int], batch: Sequence[int]) -> Sequence[int]:
    return column[batch.start : batch.stop] if isinstance(batch, range) else [column[at] for at in batch]


_FACTS: dict[Attribute, Callable[[MessageFacts], int | bytes]] = {
    Attribute.ENVELOPE: lambda one: one.envelope,
    Attribute.BODYSTRUCTURE: lambda one: one.bodystructure,
    Attribute.BODY: lambda one: one.body,
    Attribute.RFC822_SIZE: lambda one: one.size_bytes,
    Attribute.INTERNALDATE: lambda one: dates.render_moment(one.received_at),
    Attribute.SAVEDATE: lambda one: dates.render_moment(one.saved_at),
    Attribute.EMAILID: lambda one: one.object_id.encode("ascii"),
}


def _facts_column(item: Attribute, facts: Sequence[MessageFacts]) -> Values:
    return list(map(_FACTS[item], facts))
