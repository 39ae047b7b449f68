"""The texts that SEARCH looks through in a message's content: header fields and text parts, decoded (RFC 9051 §6.4.4).

Comparison is by substring without regard to case. Where content and wanted text are ASCII it is done on octets.
"""

from __future__ import annotations

from collections.abc import Iterator

from posthouse.formats import charsets, headers
from posthouse.formats.mime import index, transfer
from posthouse.formats.mime.parameters import parameter
from posthouse.model.summary import Part

MAX_FIELD_CHARS = 65_536


class ContentText:
    """One message, indexed when first asked."""

    __slots__ = ("_content", "_root")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._root: Part | None = None

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
        return _header_has(self._content, self.root, text)

    def body_has(self, text: str) -> bool:
        """Whether ``text`` stands in a text part, or in the header of an attached message."""
        wanted = text.casefold()
        return any(self._part_has(part, text, wanted) for part in _walk(self.root))

    def _part_has(self, part: Part, text: str, wanted: str) -> bool:
        content = self._content
        if part.type == "message" and part.children:
            return _header_has(content, part.children[0], text)
        if part.type not in ("text", "message") or part.encoding not in transfer.KNOWN:
            return False
        octets = transfer.decode(content[part.body_start : part.body_end], part.encoding)
        charset = parameter(part.params, "charset")
        if octets.isascii() and not charset.lower().startswith(("utf-7", "utf-16", "utf-32", "iso-2022", "hz")):
            return wanted.isascii() and wanted.encode() in octets.lower()
        return wanted in charsets.decode(octets, charset).casefold()


def _header_has(content: bytes, part: Part, text: str) -> bool:
    wanted = text.casefold()
    for field in part.headers:
        value = headers.decoded_value(content, field, MAX_FIELD_CHARS)
        if wanted in f"{field.name}: {value}".casefold():
            return True
    return not wanted


def _walk(part: Part) -> Iterator[Part]:
    """A part and all below it, without recursion: nesting is a stranger's choice."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed(one.children)
