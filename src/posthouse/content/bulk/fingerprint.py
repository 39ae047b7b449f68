"""The signatures of a message: of its text, of its markup, of what is attached (CON-9).

Text: words without what senders vary (numbers, addresses, links but for their domain), in overlapping pieces of three; of their
hashes the smallest are kept (a bottom-k sketch), so that a text with a tenth of its words changed keeps most of its signature.
Bounded and linear in the message; never raises. About 1 ms for a page of text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from heapq import nsmallest
from zlib import crc32

from posthouse.formats.mime import transfer
from posthouse.formats.text.html import visible_text
from posthouse.formats.text.parts import has_text, is_html, text_octets, text_of, walk
from posthouse.model.bulk import Signatures
from posthouse.model.summary import Part, Summary

SKETCH = 16
"""Hashes kept of a text."""
MIN_PIECES = 20
"""A text with fewer is like too many others."""
MAX_WORDS = 1_500
MAX_WORD_CHARS = 25
MAX_TEXT_CHARS = 24_000
"""Of all texts together: what comes later tells nothing new."""
MAX_TAGS = 400
MIN_TAGS = 15
MAX_FILES = 5
MIN_FILE_BYTES = 1_024
MAX_FILE_BYTES = 16 << 20
_MASK = (1 << 63) - 1
_DIGIT = re.compile(r"\d")
_LINK = re.compile(r"https?://(?:[^\s/?#@]*@)?([a-z0-9.-]{1,253})[^\s]*")
_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<([a-z][a-z0-9]{0,15})\b")


def signatures_of(content: bytes, summary: Summary) -> Signatures:
    """``summary`` is of ``content``."""
    texts, markup, files = [], "", list[int]()
    room = MAX_TEXT_CHARS
    for part in walk(summary.root):
        if part.children or room <= 0:
            continue
        if has_text(part) and part.disposition != "attachment":
            text = text_of(text_octets(content[: part.body_start + 4 * MAX_TEXT_CHARS], part), part)[:room]
            room -= len(text)
            if is_html(part):
                markup = markup or text
                text = visible_text(text)
            texts.append(text)
        elif len(files) < MAX_FILES and (key := _file(content, part)):
            files.append(key)
    return Signatures(_sketch(texts), _structure(markup), tuple(files))


def _sketch(texts: Iterable[str]) -> tuple[int, ...]:
    """Of alternative forms of one text the longest counts."""
    longest = max((_words(text) for text in texts), key=len, default=[])
    octets = [word.encode("utf-8", "replace") for word in longest]
    hashes = set(map(crc32, map(b" ".join, zip(octets, octets[1:], octets[2:], strict=False))))
    if len(hashes) < MIN_PIECES:
        return ()
    return tuple(_key(b"text", value.to_bytes(4, "big")) for value in nsmallest(SKETCH, hashes))


def _words(text: str) -> list[str]:
    lowered = text.casefold()
    if "://" in lowered:
        lowered = _LINK.sub(lambda match: " link" + match[1].replace(".", "dot") + " ", lowered)
    found: list[str] = []
    for word in lowered.split(None, 2 * MAX_WORDS):
        if len(word) >= MAX_WORD_CHARS:
            continue
        if word.isalpha():
            found.append(word)
        elif "@" not in word and not _DIGIT.search(word):
            found += _WORD.findall(word)
        if len(found) >= MAX_WORDS:
            break
    return found[:MAX_WORDS]


def _structure(markup: str) -> int:
    """The order of the tags; a run of the same one counts once."""
    tags = _TAG.findall(markup.lower())[:MAX_TAGS]
    short = [tag for number, tag in enumerate(tags) if number == 0 or tag != tags[number - 1]]
    return _key(b"markup", " ".join(short).encode()) if len(short) >= MIN_TAGS else 0


def _file(content: bytes, part: Part) -> int:
    """0 for what is too small to tell anything (logos, dots), too large, or in pieces that cannot be read."""
    size = part.body_end - part.body_start
    if (
        not MIN_FILE_BYTES <= size <= MAX_FILE_BYTES
        or part.encoding not in transfer.KNOWN
        or part.type in ("message", "multipart")
    ):
        return 0
    octets = transfer.decode(content[part.body_start : part.body_end], part.encoding)
    return _key(b"file", hashlib.sha256(octets).digest()) if len(octets) >= MIN_FILE_BYTES else 0


def _key(kind: bytes, value: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(value, digest_size=8, person=kind).digest(), "big") & _MASK or 1
