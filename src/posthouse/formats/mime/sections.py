"""What FETCH, SEARCH and others take out of a stored message on demand: parts, sections, chosen fields, decoded content.

Section specifications as RFC 9051 §6.4.5.1 writes them, already split by the IMAP parser into part number and word. Octets
come back as they are in the message; ``None`` means that there is no such part. RFC 9051 §6.4.5, RFC 3516 (BINARY).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from posthouse.formats import headers
from posthouse.formats.mime import transfer
from posthouse.formats.mime.parameters import parameter
from posthouse.formats.mime.transfer import UnknownEncoding as UnknownEncoding
from posthouse.model.summary import Part

Word = Literal["", "HEADER", "TEXT", "MIME"]


def part_at(root: Part, number: str) -> Part | None:
    """The part of this number (``1.2``; "" is the whole message), or None."""
    part = root
    if not number:
        return part
    for level, digits in enumerate(number.split(".")):
        if not digits.isdecimal() or len(digits) > 9:
            return None
        entered = level == 0
        if level and part.type == "message" and part.children:
            part, entered = part.children[0], True
        wanted = int(digits)
        if part.type == "multipart":
            if not 1 <= wanted <= len(part.children):
                return None
            part = part.children[wanted - 1]
        elif wanted != 1 or not entered:
            return None
    return part


def section(content: bytes, root: Part, number: str, word: Word = "") -> bytes | None:
    """The octets of BODY[number.word]: ``BODY[]``, ``BODY[TEXT]``, ``BODY[2]``, ``BODY[2.HEADER]``, ``BODY[2.MIME]``.

    HEADER and TEXT of a numbered part need message/rfc822 there; HEADER and MIME end with their blank line.
    """
    part = part_at(root, number)
    if part is None:
        return None
    if not number:
        if word == "MIME":
            return None
        return content if not word else _header_or_text(content, root, word)
    if not word:
        return content[part.body_start : part.body_end]
    if word == "MIME":
        return content[part.header_start : part.body_start]
    embedded = _embedded(part)
    return _header_or_text(content, embedded, word) if embedded else None


def _header_or_text(content: bytes, part: Part, word: Word) -> bytes:
    if word == "HEADER":
        return content[part.header_start : part.body_start]
    return content[part.body_start : part.body_end]


def _embedded(part: Part) -> Part | None:
    return part.children[0] if part.type == "message" and part.children else None


def header_fields(content: bytes, root: Part, number: str, names: Collection[str], *, exclude: bool = False) -> bytes | None:
    """The octets of HEADER.FIELDS, or with ``exclude`` of HEADER.FIELDS.NOT, with the blank line that ends them.

    ``names`` in any case. ``number`` is "" or that of a message/rfc822 part.
    """
    part = root if not number else part_at(root, number)
    if part is None:
        return None
    if number:
        part = _embedded(part)
        if part is None:
            return None
    wanted = {name.lower() for name in names}
    pieces = [_terminated(content[field.start : field.end]) for field in part.headers if (field.name in wanted) is not exclude]
    return b"".join(pieces) + b"\r\n"


def _terminated(field: bytes) -> bytes:
    return field if field.endswith(b"\n") else field + b"\r\n"


def decoded(content: bytes, part: Part) -> bytes:
    """The part's body with its transfer encoding undone (BINARY). Raises UnknownEncoding.

    Multiparts and embedded messages have none to undo (RFC 2045 §6.4), whatever they declare.
    """
    body = content[part.body_start : part.body_end]
    if part.type == "multipart" or part.children:
        return body
    return transfer.decode(body, part.encoding)


def filename(part: Part) -> str:
    """The name that the part's sender gave it, decoded, or ""."""
    name = parameter(part.disposition_params, "filename") or parameter(part.params, "name")
    return headers.decode_words(name, 255)
