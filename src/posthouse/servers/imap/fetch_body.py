"""FETCH items that need the message itself: BODY[...], BINARY[...], PREVIEW (RFC 9051 §6.4.5, RFC 3516, RFC 8970)."""

from __future__ import annotations

from posthouse.base.errors import NotFound
from posthouse.formats.mime import sections
from posthouse.formats.mime.preview import preview
from posthouse.mailstore.opened import OpenedMessage, OpenedMessages
from posthouse.model.mailbox import MessageFacts
from posthouse.protocols.imap import fetch_answers
from posthouse.protocols.imap.fetch_items import BodySection, Preview
from posthouse.servers.imap.refusal import Refused


class Message:
    """One message being answered; opened at the first item that needs it. ``keep``: it may be asked for again soon."""

    __slots__ = ("_keep", "_opened", "_opener", "facts")

    def __init__(self, opener: OpenedMessages, facts: MessageFacts, *, keep: bool) -> None:
        self.facts = facts
        self._opener = opener
        self._keep = keep
        self._opened: OpenedMessage | None = None

    async def opened(self) -> OpenedMessage:
        """Raises NotFound."""
        if self._opened is None:
            self._opened = await self._opener.open(self.facts.body_id, keep=self._keep)
        return self._opened


async def render(item: BodySection | Preview, message: Message) -> bytes | None:
    """One item of the answer; None if the content is gone. Raises Refused [UNKNOWN-CTE]."""
    try:
        opened = await message.opened()
    except NotFound:
        return None
    if isinstance(item, Preview):
        text = await opened.off_loop(lambda: preview(opened.content, opened.root))
        return fetch_answers.preview_item(text)
    try:
        octets = await opened.off_loop(lambda: section_octets(item, opened))
    except sections.UnknownEncoding:
        raise Refused("The part's encoding is not known", code="UNKNOWN-CTE") from None
    if item.size_only:
        return fetch_answers.binary_size_item(item, len(octets or b""))
    if octets is not None and item.partial is not None:
        octets = octets[item.partial[0] : item.partial[0] + item.partial[1]]
    return fetch_answers.section_item(item, octets)


def section_octets(item: BodySection, opened: OpenedMessage) -> bytes | None:
    """The section before PARTIAL is applied; None if there is no such part."""
    if item.binary:
        part = sections.part_at(opened.root, item.part)
        if part is None:
            return None
        return opened.content if not item.part else sections.decoded(opened.content, part)
    if not item.part and not item.text:
        return opened.content
    if item.text in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        exclude = item.text == "HEADER.FIELDS.NOT"
        return sections.header_fields(opened.content, opened.root, item.part, item.fields, exclude=exclude)
    assert item.text in ("", "HEADER", "TEXT", "MIME")
    return sections.section(opened.content, opened.root, item.part, item.text)
