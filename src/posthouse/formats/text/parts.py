"""The decoded texts that a search looks through in a message, piece by piece (RFC 9051 §6.4.4).

One place says what is looked at, so that the index and the search that checks its answers cannot differ: every field of the
header, with its name; every text part, decoded; HTML also as it is shown; the headers of attached messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from posthouse.formats import charsets, headers
from posthouse.formats.mime import transfer
from posthouse.formats.mime.parameters import parameter
from posthouse.formats.text.html import visible_text
from posthouse.model.summary import Part

MAX_FIELD_CHARS = 65_536
# Charsets in which octets of ASCII mean something else.
_SHIFTING = ("utf-7", "utf-16", "utf-32", "iso-2022", "hz")


def walk(root: Part) -> Iterator[Part]:
    """A part and all below it, without recursion: nesting is a stranger's choice."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.children)


def header_lines(content: bytes, part: Part) -> Iterator[str]:
    """The part's header fields, decoded, as ``name: value``."""
    for field in part.headers:
        yield f"{field.name}: {headers.decoded_value(content, field, MAX_FIELD_CHARS)}"


def embedded(part: Part) -> Part | None:
    """The root of the message that an attached one holds."""
    return part.children[0] if part.type == "message" and part.children else None


def has_text(part: Part) -> bool:
    """Whether the part itself is text that can be decoded."""
    return part.type in ("text", "message") and not part.children and part.encoding in transfer.KNOWN


def text_octets(content: bytes, part: Part) -> bytes:
    """The octets of a part that ``has_text``, transfer encoding undone."""
    return transfer.decode(content[part.body_start : part.body_end], part.encoding)


def means_ascii(octets: bytes, part: Part) -> bool:
    """Whether the octets are to be read as ASCII, whatever else the part declares."""
    return octets.isascii() and not parameter(part.params, "charset").lower().startswith(_SHIFTING)


def text_of(octets: bytes, part: Part) -> str:
    """The octets as text."""
    return octets.decode("ascii") if means_ascii(octets, part) else charsets.decode(octets, parameter(part.params, "charset"))


def is_html(part: Part) -> bool:
    """Whether its text is markup."""
    return part.type == "text" and part.subtype == "html"


def body_pieces(content: bytes, root: Part) -> Iterator[str]:
    """All texts of the body: text parts, HTML also as it is shown, the headers of attached messages."""
    for part in walk(root):
        inner = embedded(part)
        if inner is not None:
            yield from header_lines(content, inner)
        elif has_text(part):
            text = text_of(text_octets(content, part), part)
            yield text
            if is_html(part):
                yield visible_text(text)
