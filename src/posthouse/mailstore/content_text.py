"""Looks whether a wanted text stands in a message's content: header fields, text parts, documents (RFC 9051 §6.4.4).

Comparison is by substring without regard to case. Where content and wanted text are ASCII it is done on octets. What is looked
through is said by ``formats.text.parts``; the text of attached documents comes from the index, "" as long as it has none.
"""

from __future__ import annotations

import hashlib

from posthouse.formats import headers
from posthouse.formats.mime import index
from posthouse.formats.text import parts
from posthouse.formats.text.html import visible_text
from posthouse.mailstore.thread_ids import lone_thread, named_thread
from posthouse.model.mailbox import email_id
from posthouse.model.summary import Part


class ContentText:
    """One message, indexed when first asked. ``attached``: file names and text of its documents, case-folded."""

    __slots__ = ("_attached", "_content", "_root", "_wholes")

    def __init__(self, content: bytes, attached: str = "") -> None:
        self._content = content
        self._attached = attached
        self._root: Part | None = None
        self._wholes: dict[bool, str] = {}

    @property
    def root(self) -> Part:
        if self._root is None:
            self._root = index(self._content)
        return self._root

    def field_has(self, name: str, text: str) -> bool:
        """Whether a field ``name`` (lower case) of the top header has ``text`` in it; "": whether there is such a field."""
        return headers.field_contains(self._content, self.root, name, text)

    def header_has(self, text: str) -> bool:
        """Whether ``text`` stands in the top header, field names included."""
        return self._header_has(self.root, text.casefold())

    def body_has(self, text: str) -> bool:
        """Whether ``text`` stands in a text part, in the header of an attached message, or in an attached document."""
        wanted = text.casefold()
        return any(self._part_has(part, wanted) for part in parts.walk(self.root)) or wanted in self._attached

    def field_text(self, name: str) -> str:
        """All fields ``name`` (lower case) of the top header, a line each."""
        fields = [field for field in self.root.headers if field.name == name]
        return "\n".join([headers.decoded_value(self._content, field, parts.MAX_FIELD_CHARS) for field in fields])

    def thread_id(self) -> str:
        """Its THREADID."""
        named = named_thread(self._content[: self.root.body_start])
        return named or lone_thread(email_id(hashlib.sha256(self._content).digest()))

    def whole(self, *, with_header: bool) -> str:
        """All that is looked through, a piece a line."""
        found = self._wholes.get(with_header)
        if found is None:
            lines = list(parts.header_lines(self._content, self.root)) if with_header else []
            found = "\n".join([*lines, *parts.body_pieces(self._content, self.root), self._attached])
            self._wholes[with_header] = found
        return found

    def _part_has(self, part: Part, wanted: str) -> bool:
        inner = parts.embedded(part)
        if inner is not None:
            return self._header_has(inner, wanted)
        if not parts.has_text(part):
            return False
        octets = parts.text_octets(self._content, part)
        is_html = parts.is_html(part)
        if parts.means_ascii(octets, part):
            if wanted.isascii() and wanted.encode() in octets.lower():
                return True
            if not is_html or not (wanted.isascii() or b"&" in octets):
                return False
        text = parts.text_of(octets, part)
        return wanted in text.casefold() or (is_html and wanted in visible_text(text).casefold())

    def _header_has(self, part: Part, wanted: str) -> bool:
        return any(wanted in line.casefold() for line in parts.header_lines(self._content, part)) or not wanted
