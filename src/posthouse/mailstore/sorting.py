"""SORT's order and the data that THREAD needs, from the messages' ready-made facts (RFC 5256 §3, RFC 5957).

What a message is compared by is read from its ENVELOPE, some hundred messages at a time with turns for others in between.
Equal messages stay in the order of their numbers, whatever is reversed. It knows nothing of IMAP's text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from posthouse.formats import dates
from posthouse.interfaces.mailstore import MailReader
from posthouse.mailstore import envelope
from posthouse.mailstore.search_scope import Progress, no_progress
from posthouse.mailstore.subjects import base_subject, collated
from posthouse.mailstore.view import MailboxView
from posthouse.model.mailbox import MessageFacts
from posthouse.protocols.imap.sort_commands import SortField, SortKey

BATCH = 256
Value = float | str


def no_relevancy(_uid: int) -> int:
    """For searches without fuzzy keys."""
    return 0


async def in_order(
    store: MailReader,
    mailbox_id: int,
    view: MailboxView,
    indexes: Sequence[int],
    criteria: Sequence[SortKey],
    progress: Progress = no_progress,
    relevancy: Callable[[int], int] = no_relevancy,
) -> list[int]:
    """``indexes`` sorted by the criteria, the first one counting most. Messages that are gone meanwhile come first.

    ``relevancy`` gives a UID's score in a fuzzy search; the highest comes first (RFC 6203 §6)."""
    fields = list(dict.fromkeys(key.field for key in criteria))
    columns: dict[SortField, dict[int, Value]] = {field: {} for field in fields}
    for start in range(0, len(indexes), BATCH):
        batch = indexes[start : start + BATCH]
        for facts in await store.facts(mailbox_id, [view.uids[at] for at in batch]):
            at = view.index(facts.uid)
            for field in fields:
                columns[field][at] = -relevancy(facts.uid) if field == "RELEVANCY" else _VALUES[field](facts)
        progress(start + len(batch), len(indexes))
        await asyncio.sleep(0)
    order = [at for at in indexes if at in columns[fields[0]]]
    for key in reversed(criteria):
        order.sort(key=columns[key.field].__getitem__, reverse=key.reverse)
        await asyncio.sleep(0)
    if len(order) < len(indexes):
        known = set(order)
        order[:0] = [at for at in indexes if at not in known]
    return order


async def values(
    store: MailReader, mailbox_id: int, uids: Sequence[int], criteria: Sequence[SortKey]
) -> dict[int, tuple[Value, ...]]:
    """What each message is compared by, in the order of the criteria; those that are gone are left out."""
    found: dict[int, tuple[Value, ...]] = {}
    for start in range(0, len(uids), BATCH):
        for facts in await store.facts(mailbox_id, sorted(uids[start : start + BATCH])):
            found[facts.uid] = tuple(_VALUES[key.field](facts) for key in criteria)
        await asyncio.sleep(0)
    return found


def sent_at(facts: MessageFacts) -> float:
    """The Date field's moment; INTERNALDATE if there is none (RFC 5256 §2.2)."""
    text = envelope.sent_text(facts.envelope)
    moment = dates.parse(text) if text else None
    return facts.received_at if moment is None else moment


def subject(facts: MessageFacts) -> str:
    """The base subject, to be compared."""
    return collated(base_subject(envelope.field_text(facts.envelope, "subject"))[0])


def _mailbox(field: str) -> Callable[[MessageFacts], Value]:
    """The local part of the first address: what IMAP calls its mailbox."""
    return lambda facts: collated(envelope.first_address(facts.envelope, field)[1])


def _display(field: str) -> Callable[[MessageFacts], Value]:
    """The first address's name, or else the address (RFC 5957 §3)."""

    def value(facts: MessageFacts) -> Value:
        name, local, domain = envelope.first_address(facts.envelope, field)
        return collated(name or (f"{local}@{domain}" if domain else local))

    return value


_VALUES: dict[SortField, Callable[[MessageFacts], Value]] = {
    "ARRIVAL": lambda facts: facts.received_at,
    "CC": _mailbox("cc"),
    "DATE": sent_at,
    "DISPLAYFROM": _display("from"),
    "DISPLAYTO": _display("to"),
    "FROM": _mailbox("from"),
    "SIZE": lambda facts: facts.size_bytes,
    "SUBJECT": subject,
    "TO": _mailbox("to"),
}
