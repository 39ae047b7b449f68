"""FETCH's answers by templates, some hundred messages at a time: a column for each item, nothing is parsed (RFC 9051 §7.5.2).

Columns come from the mailbox's view, from the store's ready-made facts and previews, or from the kept header fields; which
items can be had so says ``is_column``. After each batch the session waits for a slow client and others get their turn.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from posthouse.interfaces.mailstore import FactName
from posthouse.mailstore.header_texts import Wanted
from posthouse.mailstore.thread_ids import thread_ids
from posthouse.mailstore.view import MailboxView
from posthouse.model.mailbox import MessageFacts
from posthouse.protocols.imap import dates
from posthouse.protocols.imap.fetch_items import Attribute, BodySection, FetchItem, Preview
from posthouse.protocols.imap.responses import string
from posthouse.servers.imap.fetch_lines import Column, Values, lines, literals
from posthouse.servers.imap.flag_texts import flag_texts

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

Texts = Mapping[FetchItem, Mapping[int, bytes]]

_VIEW_BATCH = 2000
_FACTS_BATCH = 500
VIEW_ITEMS: frozenset[FetchItem] = frozenset({Attribute.UID, Attribute.FLAGS, Attribute.MODSEQ})
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
    Attribute.THREADID: b"THREADID (%b)",
    Attribute.SAVEDATE: b"SAVEDATE %b",
}
_FACTS: dict[Attribute, tuple[FactName, Callable[[Any], int | bytes] | None]] = {
    Attribute.ENVELOPE: ("envelope", None),
    Attribute.BODYSTRUCTURE: ("bodystructure", None),
    Attribute.BODY: ("body", None),
    Attribute.RFC822_SIZE: ("size_bytes", None),
    Attribute.INTERNALDATE: ("received_at", dates.render_moment),
    Attribute.SAVEDATE: ("saved_at", dates.render_moment),
    Attribute.EMAILID: ("object_id", str.encode),
}
_NOTHING: Texts = {}


def is_column(item: FetchItem) -> bool:
    """Whether the item can be answered without opening messages: all but parts, bodies and pieces of headers."""
    if isinstance(item, BodySection):
        return item.text.startswith("HEADER") and not (item.part or item.binary or item.partial)
    return True


async def write_columns(
    session: ImapSession, view: MailboxView, indexes: Sequence[int], items: Sequence[FetchItem], given: Texts = _NOTHING
) -> bool:
    """Writes the answers; whether some of the messages were gone. ``given``: octets by UID that the caller has. Raises
    Disconnected."""
    size = _VIEW_BATCH if VIEW_ITEMS.issuperset(items) else _FACTS_BATCH
    missing = False
    for start in range(0, len(indexes), size):
        batch = indexes[start : start + size]
        columns, left = await _columns(session, view, batch, items, given)
        missing = missing or len(left) < len(batch)
        numbers = some(view.uids, left) if session.uid_only else [at + 1 for at in left]
        session.write(lines(session.fetch_word, numbers, columns))
        await session.drain()
        if start + size < len(indexes):
            await asyncio.sleep(0)
    return missing


async def facts_of(
    session: ImapSession, view: MailboxView, indexes: Sequence[int]
) -> tuple[Sequence[MessageFacts], Sequence[int]]:
    """Facts of the messages that still exist, and their indexes."""
    facts = await session.services.store.facts(session.mailbox().mailbox_id, some(view.uids, indexes))
    if len(facts) == len(indexes):
        return facts, indexes
    return facts, [view.index(one.uid) for one in facts]


async def _columns(
    session: ImapSession, view: MailboxView, batch: Sequence[int], items: Sequence[FetchItem], given: Texts
) -> tuple[list[Column], Sequence[int]]:
    """The columns, and the indexes of the messages that they are of: those that still exist."""
    uids = some(view.uids, batch)
    texts = {item: given.get(item) or await _read(session, item, uids) for item in items if _is_read(item)}
    names = [name for name in map(_fact_name, items) if name]
    rows: Sequence[tuple[Any, ...]] = ()
    if names:
        rows = await session.services.store.some_facts(session.mailbox().mailbox_id, uids, names)
    if (names and len(rows) < len(uids)) or any(not octets.keys() >= set(uids) for octets in texts.values()):
        alive = {row[0] for row in rows} if names else set(uids)
        alive = alive.intersection(*[octets.keys() for octets in texts.values()])
        rows = [row for row in rows if row[0] in alive]
        batch = [at for at in batch if view.uids[at] in alive]
        uids = some(view.uids, batch)
    facts = dict(zip(names, [list(column) for column in zip(*rows, strict=True)][1:], strict=False))
    columns: list[Column] = []
    for item in items:
        if isinstance(item, BodySection):
            columns.append(literals(item.label, list(map(texts[item].__getitem__, uids))))
        elif item is Attribute.THREADID:
            columns.append((_TEMPLATES[item], [list(map(texts[item].__getitem__, uids))]))
        elif isinstance(item, Preview):
            columns.append((b"PREVIEW %b", [[string(preview.encode("utf-8")) for preview in facts.get("preview", ())]]))
        elif item in VIEW_ITEMS:
            columns.append((_TEMPLATES[item], [_view_values(session, item, view, batch)]))
        else:
            name, render = _FACTS[item]
            values = facts.get(name, [])
            columns.append((_TEMPLATES[item], [list(map(render, values)) if render else values]))
    return columns, batch


def _is_read(item: FetchItem) -> bool:
    """Whether the item comes from the messages' headers, not from view or facts."""
    return isinstance(item, BodySection) or item is Attribute.THREADID


async def _read(session: ImapSession, item: FetchItem, uids: Sequence[int]) -> Mapping[int, bytes]:
    if not isinstance(item, BodySection):
        store, headers = session.services.store, session.shared.headers
        found = await thread_ids(store, headers, session.mailbox().mailbox_id, uids)
        return {uid: one.encode("ascii") for uid, one in found.items()}
    names = frozenset(name.lower().encode("latin-1") for name in item.fields)
    wanted = Wanted(names, exclude=item.text == "HEADER.FIELDS.NOT", raw=item.text == "HEADER")
    return await session.shared.headers.of(session.mailbox().mailbox_id, uids, wanted)


async def attribute_piece(
    session: ImapSession, view: MailboxView, at: int, item: Attribute, facts: MessageFacts
) -> bytes | None:
    """One item of one message that is answered by itself; None if the message is gone."""
    if _is_read(item):
        found = await _read(session, item, [facts.uid])
        return _TEMPLATES[item] % found[facts.uid] if facts.uid in found else None
    if item in VIEW_ITEMS:
        return _TEMPLATES[item] % _view_values(session, item, view, (at,))[0]
    name, render = _FACTS[item]
    value = getattr(facts, name)
    return _TEMPLATES[item] % (render(value) if render else value)


def _fact_name(item: FetchItem) -> FactName | None:
    if isinstance(item, Preview):
        return "preview"
    return _FACTS[item][0] if isinstance(item, Attribute) and item in _FACTS else None


def _view_values(session: ImapSession, item: FetchItem, view: MailboxView, batch: Sequence[int]) -> Values:
    if item is Attribute.UID:
        return some(view.uids, batch)
    if item is Attribute.FLAGS:
        return flag_texts(session.mailbox().keywords).of(some(view.flags, batch))
    if item is Attribute.MODSEQ:
        return some(view.mod_seqs, batch)
    raise TypeError(f"not in a view: {item!r}")


def some(column: array[int], indexes: Sequence[int]) -> array[int]:
    """The values of a view's column at ascending indexes."""
    if isinstance(indexes, range):
        return column[indexes.start : indexes.stop]
    return array(column.typecode, [column[at] for at in indexes])
