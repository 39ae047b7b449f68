"""The first words of a message, for lists and notices: bounded work whatever the message (RFC 8970 in spirit).

At most ``MAX_OCTETS`` of the first text part are decoded. HTML loses its tags; that is for showing as plain text only.
"""

from __future__ import annotations

import html
import re

from posthouse.formats import charsets
from posthouse.formats.mime import transfer
from posthouse.formats.mime.parameters import parameter
from posthouse.model.summary import Part

MAX_CHARS = 200
MAX_OCTETS = 4096

_SHORT_OCTETS = 800
_TAG = re.compile(r"<[!/?A-Za-z][^<>]*+>?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b\u200e\u200f\u034f\u00ad\ufeff]++")
_HIDDEN = (("<style", "</style"), ("<script", "</script"), ("<title", "</title"), ("<!--", "-->"))


def preview(content: bytes, root: Part) -> str:
    """The first ``MAX_CHARS`` characters of the first text, white space as single spaces; "" if there is none."""
    plain, rich = _first_texts(root)
    part = plain or rich
    if part is None or part.encoding not in transfer.KNOWN:
        return ""
    text = ""
    for bound in (_SHORT_OCTETS, MAX_OCTETS):
        text = _beginning(content, part, bound)
        if len(text) >= MAX_CHARS or part.body_end - part.body_start <= bound:
            break
    return text[:MAX_CHARS].rstrip()


def _first_texts(part: Part) -> tuple[Part | None, Part | None]:
    """The first text part that is not HTML, and the first that is; attachments and embedded messages are passed over."""
    if part.type == "text":
        if part.disposition == "attachment":
            return None, None
        return (None, part) if part.subtype == "html" else (part, None)
    rich: Part | None = None
    if part.type == "multipart":
        for child in part.children:
            plain, other = _first_texts(child)
            rich = rich or other
            if plain is not None:
                return plain, rich
    return None, rich


def _beginning(content: bytes, part: Part, bound: int) -> str:
    raw = content[part.body_start : min(part.body_end, part.body_start + bound)]
    if part.encoding == "quoted-printable":
        raw = raw[: len(raw) - 2] + raw[-2:].partition(b"=")[0]  # A sequence that the bound cut in two.
    octets = transfer.decode(raw, part.encoding)
    if part.body_end - part.body_start > bound:
        octets = _whole_characters(octets)
    text = charsets.decode(octets, parameter(part.params, "charset"))
    if part.subtype == "html":
        text = _without_tags(text)
    text = " ".join(text.split())
    return text if text.isprintable() else " ".join(_CONTROL.sub(" ", text).split())


def _whole_characters(octets: bytes) -> bytes:
    """Without a UTF-8 character that the bound cut in two."""
    for back in range(1, min(4, len(octets)) + 1):
        octet = octets[-back]
        if octet < 0x80:
            break
        if octet >= 0xC0:
            needed = 2 if octet < 0xE0 else 3 if octet < 0xF0 else 4
            return octets[:-back] if needed > back else octets
    return octets


def _without_tags(text: str) -> str:
    for opening, closing in _HIDDEN:
        if opening in text.lower():
            text = _without_hidden(text, opening, closing)
    return html.unescape(_TAG.sub(" ", text))


def _without_hidden(text: str, opening: str, closing: str) -> str:
    lower, kept, position = text.lower(), [], 0
    while (start := lower.find(opening, position)) >= 0:
        kept.append(text[position:start])
        end = lower.find(closing, start)
        position = len(text) if end < 0 else end
        if closing == "-->" and end >= 0:
            position += len(closing)
    kept.append(text[position:])
    return "".join(kept)
