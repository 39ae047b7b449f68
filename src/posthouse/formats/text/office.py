"""Office Open XML and OpenDocument: the text of documents, sheets and slides, with notes, comments and properties.

Sources: ECMA-376 (WordprocessingML, SpreadsheetML, PresentationML), OASIS OpenDocument 1.3. Only the members that hold text
are read, in the order people see them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from posthouse.formats.text.archive import Archive
from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.trouble import Unreadable
from posthouse.formats.text.xmltext import Vocabulary, text_of

OfficeKind = Literal["word", "sheet", "slides", "opendocument"]

_PROPERTIES = Vocabulary(
    breaks=frozenset(("title", "subject", "creator", "keywords", "description", "category", "keyword", "initial-creator")),
    skipped=frozenset(("created", "modified", "revision", "lastPrinted", "editing-duration", "editing-cycles", "generator")),
)
_WORD = Vocabulary(taken=frozenset(("t",)), breaks=frozenset(("p", "tab", "br", "cr", "tc")))
_SHEET_STRINGS = Vocabulary(taken=frozenset(("t",)), breaks=frozenset(("si", "comment", "c")), skipped=frozenset(("rPh",)))
# A sheet's <v> is a number, or the place of a shared string; such places only add digits.
_SHEET = Vocabulary(taken=frozenset(("t", "v")), breaks=frozenset(("c", "row")), skipped=frozenset(("f",)))
_SHEET_NAMES = Vocabulary(taken=frozenset(("-",)), attributes=frozenset(("name",)))
_SLIDES = Vocabulary(taken=frozenset(("t", "text")), breaks=frozenset(("p", "br", "cm")))
_OPEN = Vocabulary(
    breaks=frozenset(("p", "h", "s", "tab", "line-break", "table-cell", "list-item")),
    skipped=frozenset(("automatic-styles", "styles", "scripts", "font-face-decls", "binary-data", "tracked-changes")),
)
_MEMBERS: dict[OfficeKind, tuple[tuple[str, Vocabulary], ...]] = {
    "word": (
        (r"docProps/core\.xml", _PROPERTIES),
        (r"word/document\d*\.xml", _WORD),
        (r"word/(?:header|footer|footnotes|endnotes|comments)\d*\.xml", _WORD),
    ),
    "sheet": (
        (r"docProps/core\.xml", _PROPERTIES),
        (r"xl/workbook\.xml", _SHEET_NAMES),
        (r"xl/sharedStrings\.xml", _SHEET_STRINGS),
        (r"xl/worksheets/sheet\d+\.xml", _SHEET),
        (r"xl/comments\d*\.xml", _SHEET_STRINGS),
    ),
    "slides": (
        (r"docProps/core\.xml", _PROPERTIES),
        (r"ppt/slides/slide\d+\.xml", _SLIDES),
        (r"ppt/notesSlides/notesSlide\d+\.xml", _SLIDES),
        (r"ppt/comments/[^/]{1,100}\.xml", _SLIDES),
    ),
    "opendocument": ((r"meta\.xml", _PROPERTIES), (r"content\.xml", _OPEN), (r"styles\.xml", _OPEN)),
}
_DIGITS = re.compile(r"\d+")


def text(kind: OfficeKind, octets: bytes, limits: TextLimits) -> str:
    """The text, at most ``limits.chars`` characters. Raises Unreadable."""
    archive = Archive(octets, limits)
    names = archive.names()
    pieces: list[str] = []
    left = limits.chars
    found = False
    for pattern, vocabulary in _MEMBERS[kind]:
        for name in _matching(pattern, names):
            if left <= 0:
                return "\n".join(pieces)
            found = True
            piece = text_of(archive.chunks(name), vocabulary, left)
            pieces.append(piece)
            left -= len(piece) + 1
    if not found:
        raise Unreadable("not such a document")
    return "\n".join(pieces)


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    """Members whose name fits, in the order of their numbers: slide2 before slide10."""
    fits = re.compile(pattern)
    found = [name for name in names if len(name) < 200 and fits.fullmatch(name)]
    return sorted(dict.fromkeys(found), key=lambda name: (int((_DIGITS.search(name) or ["0"])[0][:9]), name))
