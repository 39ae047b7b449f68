"""Reads what threads are made of: dates and subjects from ready-made facts, references from the messages' headers.

Some hundred messages at a time, with turns for others in between (RFC 5256 §3). The work that strangers can cause is bounded:
of a message's references the first and the last ones count.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from posthouse.base.errors import NotFound
from posthouse.formats.mime import heads
from posthouse.interfaces.mailstore import MailReader
from posthouse.mailstore import envelope
from posthouse.mailstore.search_scope import Progress, no_progress
from posthouse.mailstore.sorting import BATCH, sent_at
from posthouse.mailstore.subjects import base_subject, collated
from posthouse.mailstore.threads import Letter
from posthouse.mailstore.view import MailboxView
from posthouse.model.mailbox import MessageFacts

MAX_REFERENCES = 100
_FIELDS = frozenset((b"message-id", b"references", b"in-reply-to"))
_MESSAGE_ID = re.compile(rb"<([^<>\s]{1,998})>")


async def letters(
    store: MailReader,
    mailbox_id: int,
    view: MailboxView,
    indexes: Sequence[int],
    *,
    references: bool,
    progress: Progress = no_progress,
) -> list[Letter]:
    """Of the messages that still exist, in the order of ``indexes``; ``references``: these are needed too."""
    out: list[Letter] = []
    for start in range(0, len(indexes), BATCH):
        batch = indexes[start : start + BATCH]
        uids = [view.uids[at] for at in batch]
        headers = dict(await store.heads(mailbox_id, uids)) if references else {}
        for facts in await store.facts(mailbox_id, uids):
            subject, replied = base_subject(envelope.field_text(facts.envelope, "subject"))
            named, answered = await _references(store, facts, headers.get(facts.uid)) if references else ("", ())
            out.append(Letter(view.index(facts.uid), sent_at(facts), collated(subject), replied, named, answered))
        progress(start + len(batch), len(indexes))
        await asyncio.sleep(0)
    return out


async def _references(store: MailReader, facts: MessageFacts, head: bytes | None) -> tuple[str, tuple[str, ...]]:
    """The message's own id, and those that it refers to: In-Reply-To's first one only without References."""
    values = heads.first_values(head, _FIELDS) if head is not None else None
    if values is None:
        try:
            content = await store.content(facts.body_id)
        except NotFound:
            return "", ()
        values = heads.first_values(content + b"\r\n\r\n", _FIELDS) or {}
    own = _MESSAGE_ID.search(values.get(b"message-id", b""))
    found = _MESSAGE_ID.findall(values.get(b"references", b"")) or _MESSAGE_ID.findall(values.get(b"in-reply-to", b""))[:1]
    if len(found) > MAX_REFERENCES:
        found = [found[0], *found[-MAX_REFERENCES + 1 :]]
    return own[1].decode("latin-1") if own else "", tuple(one.decode("latin-1") for one in found)
