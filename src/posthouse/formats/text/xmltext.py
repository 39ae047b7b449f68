"""The character data of an XML document of a stranger: chosen elements' text, with line breaks where paragraphs end.

Expat does the parsing, which neither recurses nor fetches anything; a document that declares entities is refused, so there is
nothing to expand. Knows nothing of which vocabulary it reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.parsers import expat

from posthouse.formats.text.trouble import Unreadable


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names are local names, without namespace. ``taken``: elements whose own character data counts (empty: all elements').
    ``breaks``: elements that end a word. ``skipped``: elements left out with all in them. ``attributes``: attributes whose
    value is text."""

    taken: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()


class _Enough(Exception):
    """The limit of characters is met."""


class _Reader:
    def __init__(self, vocabulary: Vocabulary, chars: int) -> None:
        self._words = vocabulary
        self._left = chars
        self._stack: list[bool] = []
        self._take = not vocabulary.taken
        self._skipping = 0
        self.pieces: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self._stack.append(self._take)
        if self._skipping or local in self._words.skipped:
            self._skipping += 1
            return
        if self._words.taken:
            self._take = local in self._words.taken
        if local in self._words.breaks:
            self.add("\n")
        if self._words.attributes:
            for key, value in attributes.items():
                if key.rpartition(" ")[2] in self._words.attributes:
                    self.add(value + "\n")

    def end(self, name: str) -> None:
        self._take = self._stack.pop()
        if self._skipping:
            self._skipping -= 1
        elif name.rpartition(" ")[2] in self._words.breaks:
            self.add("\n")

    def text(self, data: str) -> None:
        if self._take and not self._skipping:
            self.add(data)

    def add(self, data: str) -> None:
        self.pieces.append(data)
        self._left -= len(data)
        if self._left <= 0:
            raise _Enough


def _refuse_entity(*_: object) -> None:
    raise Unreadable("declares entities")


def text_of(chunks: Iterable[bytes], vocabulary: Vocabulary, chars: int) -> str:
    """At most about ``chars`` characters. Raises Unreadable for what is not XML, or dangerous XML."""
    reader = _Reader(vocabulary, chars)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = _refuse_entity
    any_octets = False
    try:
        for chunk in chunks:
            any_octets = True
            parser.Parse(chunk, False)
        if any_octets:
            parser.Parse(b"", True)
    except _Enough:
        pass
    except expat.ExpatError as error:
        raise Unreadable("broken XML") from error
    return "".join(reader.pieces)[:chars]
