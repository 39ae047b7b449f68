"""The texts of a message as the spam scorer reads them: decoded, bounded, HTML both as source and as it is shown.

Read once for each message; tokens and rules look at the same texts. What lies past the bounds is not looked at: a message has
said what it wants by then. Never raises for a stranger's octets.
"""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.formats.mime import transfer
from posthouse.formats.text import parts
from posthouse.formats.text.html import visible_text
from posthouse.model.summary import Part, Summary

MAX_CHARS = 48_000
MAX_PARTS = 100
_RAW_PER_CHAR = 3
_MARKUP = ("<html", "<body", "<font", "<table", "<a href", "<br")


@dataclass(frozen=True, slots=True)
class PartText:
    """One text part. ``source`` is its decoded text, ``shown`` what a reader sees; the same unless it is HTML."""

    part: Part
    source: str
    shown: str
    html: bool


@dataclass(frozen=True, slots=True)
class Texts:
    """``parts`` are all MIME parts, the first ``MAX_PARTS`` of them; ``texts`` those that are text, in order."""

    parts: tuple[Part, ...]
    texts: tuple[PartText, ...]

    @property
    def shown(self) -> str:
        """All that a reader sees, parts on lines of their own."""
        return "\n".join([text.shown for text in self.texts])


def texts_of(content: bytes, summary: Summary) -> Texts:
    """Within ``MAX_CHARS`` of text over all parts. ``summary`` is of ``content``."""
    found: list[Part] = []
    texts: list[PartText] = []
    left = MAX_CHARS
    for part in parts.walk(summary.root):
        if len(found) == MAX_PARTS:
            break
        found.append(part)
        if left <= 0 or part.type != "text" or not parts.has_text(part):
            continue
        raw = content[part.body_start : min(part.body_end, part.body_start + _RAW_PER_CHAR * left)]
        source = parts.text_of(transfer.decode(raw, part.encoding), part)[:left]
        left -= len(source)
        html = part.subtype == "html" or _looks_like_html(source)
        texts.append(PartText(part, source, visible_text(source) if html else source, html))
    return Texts(tuple(found), tuple(texts))


def _looks_like_html(source: str) -> bool:
    if "<" not in source:
        return False
    lower = source[:20_000].lower()
    return any(mark in lower for mark in _MARKUP)
