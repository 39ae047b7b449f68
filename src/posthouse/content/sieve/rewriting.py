"""Putting another entity in the place of a part, octet by octet: everything else of the message stays as it is."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping

from posthouse.formats import headers
from posthouse.formats.mime import index
from posthouse.model.summary import Part

_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\A\r?\n")
LONGEST_LINE = 900


def text_entity(text: str) -> bytes:
    """A text/plain entity of ``text`` with its MIME header; 7bit if it can be, else quoted-printable."""
    return b"".join(_text_fields("plain", text)) + b"\r\n" + _encoded(text)


def encoded_fields(subtype: str, text: str) -> list[bytes]:
    """The MIME header fields for ``encoded_body``."""
    return _text_fields(subtype, text)


def encoded_body(text: str) -> bytes:
    """The octets of a text part."""
    return _encoded(text)


def _is_plain(text: str) -> bool:
    return text.isascii() and all(len(line) <= LONGEST_LINE for line in text.split("\n"))


def _text_fields(subtype: str, text: str) -> list[bytes]:
    encoding = b"7bit" if _is_plain(text) else b"quoted-printable"
    return [
        b"Content-Type: text/" + subtype.encode() + b"; charset=utf-8\r\n",
        b"Content-Transfer-Encoding: " + encoding + b"\r\n",
    ]


def _encoded(text: str) -> bytes:
    octets = "\r\n".join(_LINE_END.split(text)).encode("utf-8", "replace")
    return octets if _is_plain(text) else binascii.b2a_qp(octets, istext=True)


def with_part(content: bytes, part: Part, entity: bytes) -> bytes:
    """``content`` with the body and the MIME header fields of ``part`` taken from ``entity``; its other fields stay."""
    head, body = _split(entity)
    kept = [content[field.start : field.end] for field in part.headers if not field.name.startswith("content-")]
    if part.section == "" and not any(field.name == "mime-version" for field in part.headers):
        kept.append(b"MIME-Version: 1.0\r\n")
    kept = [field if field.endswith(b"\n") else field + b"\r\n" for field in kept]
    start = part.headers[0].start if part.headers else part.header_start
    return content[:start] + b"".join(kept) + head + b"\r\n" + body + content[part.body_end :]


def _split(entity: bytes) -> tuple[bytes, bytes]:
    """Header and body of an entity; one without a blank line is all body, as text."""
    found = _BLANK_LINE.search(entity)
    if found is None:
        return b"Content-Type: text/plain; charset=utf-8\r\n", entity
    head = entity[: found.start()]
    return (b"\r\n".join(head.splitlines()) + b"\r\n" if head else b""), entity[found.end() :]


def with_fields(content: bytes, fields: Mapping[str, str], line: Callable[[str, str], bytes]) -> bytes:
    """``content`` with these fields of the top header replaced, or added in front."""
    for name, value in fields.items():
        root = index(content)
        old = headers.find(root.headers, name.lower())
        start, end = (old.start, old.end) if old else (root.header_start, root.header_start)
        content = content[:start] + line(name, value) + content[end:]
    return content
