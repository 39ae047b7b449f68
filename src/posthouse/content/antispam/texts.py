"""The texts of a message as the spam scorer reads them: decoded, bounded, HTML both as source and as it is shown.

Read once for each message; tokens and rules look at the same texts. What lies past the bounds is not looked at: a message has
said what it wants by then. Never raises for a stranger's octets.
"""

from __future__ import annotations

import re

from msgspec import Struct

from posthouse.formats.mime import transfer
from posthouse.formats.text import parts
from posthouse.formats.text.html import visible_text
from posthouse.model.summary import Part, Summary

MAX_CHARS = 48_000
MAX_PARTS = 100
MAX_LINKS = 200
_RAW_PER_CHAR = 3
_LINK = re.compile(r"://([^\s\"'<>()/\\?#]{1,100})([/?#][^\s\"'<>]{0,200})?")
_BARE_LINK = re.compile(r"www\.([^\s\"'<>()/\\?#]{1,96})([/?#][^\s\"'<>]{0,200})?")
_MARKUP = ("<html", "<body", "<font", "<table", "<a href", "<br")


class PartText(Struct, frozen=True):
    """One text part. ``source`` is its decoded text, ``lower`` that in small letters, ``shown`` what a reader sees; the same
    as ``source`` unless it is HTML."""

    part: Part
    source: str
    lower: str
    shown: str
    html: bool


class Link(Struct, frozen=True):
    """Where a link leads, in small letters. ``user`` is what stands in front of the host, ``port`` behind it, "" if nothing."""

    host: str
    path: str
    user: str = ""
    port: str = ""


class Texts(Struct, frozen=True):
    """``parts`` are all MIME parts, the first ``MAX_PARTS`` of them; ``texts`` those that are text, in order. ``shown`` is all
    that a reader sees, parts on lines of their own. ``links`` are the first ``MAX_LINKS``."""

    parts: tuple[Part, ...]
    texts: tuple[PartText, ...]
    shown: str
    links: tuple[Link, ...]


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
        lower = source.lower()
        html = part.subtype == "html" or ("<" in source and any(mark in lower for mark in _MARKUP))
        texts.append(PartText(part, source, lower, visible_text(source) if html else source, html))
    links: list[Link] = []
    for text in texts:
        _add_links(text.lower, links)
    return Texts(tuple(found), tuple(texts), "\n".join([text.shown for text in texts]), tuple(links))


def _add_links(lower: str, links: list[Link]) -> None:
    if "://" in lower:
        for match in _LINK.finditer(lower):
            if len(links) >= MAX_LINKS:
                return
            user, _, rest = match[1].rpartition("@")
            host, _, port = rest.partition(":")
            links.append(Link(host, match[2] or "", user, port))
    if "www." in lower:
        for match in _BARE_LINK.finditer(lower):
            if len(links) >= MAX_LINKS:
                return
            if lower[match.start() - 1 : match.start()] not in ("/", "@", "."):
                links.append(Link("www." + match[1].partition(":")[0], match[2] or ""))
