"""A whole message as text for the index: what ``parts`` names, put together, and the documents that must still be read.

Pieces stand apart by ``SEPARATOR``, a control character that no wanted text has, so that nothing is found across them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from posthouse.formats.mime import index
from posthouse.formats.mime.parameters import parameter
from posthouse.formats.text import documents, parts
from posthouse.formats.text.limits import DEFAULT, TextLimits
from posthouse.model.summary import Part

SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True)
class MessageText:
    """``head`` and ``body`` are what a search of header and body looks through, not folded. ``names`` are the attachments'
    file names. ``whole`` is False when the limits cut something off."""

    head: str
    body: str
    names: tuple[str, ...]
    attached: tuple[documents.Attached, ...]
    whole: bool


def message_text(content: bytes, limits: TextLimits = DEFAULT) -> MessageText:
    """Never raises for a stranger's message."""
    root = index(content)
    taken = _Taken(limits.chars)
    head = taken.joined(parts.header_lines(content, root))
    body = taken.joined(parts.body_pieces(content, root))
    names: list[str] = []
    attached: list[documents.Attached] = []
    for part in parts.walk(root):
        name = file_name(part)
        if name and len(names) < limits.documents:
            names.append(name)
        kind = documents.kind_of(part, name)
        if kind is not None and len(attached) < limits.documents:
            attached.append(documents.Attached(kind, part))
    return MessageText(head, body, tuple(names), tuple(attached), taken.whole)


def file_name(part: Part) -> str:
    """The name that an attachment goes by, "" if it has none."""
    return parameter(part.disposition_params, "filename") or parameter(part.params, "name")


class _Taken:
    """Takes pieces as long as there is room."""

    def __init__(self, chars: int) -> None:
        self._left = chars
        self.whole = True

    def joined(self, pieces: Iterator[str]) -> str:
        """The pieces that fit, the last one perhaps cut."""
        kept: list[str] = []
        for piece in pieces:
            if len(piece) > self._left:
                self.whole = False
                kept.append(piece[: self._left])
                self._left = 0
                break
            self._left -= len(piece)
            kept.append(piece)
        return SEPARATOR.join(kept)
