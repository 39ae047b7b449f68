"""Tag lists: ``a=rsa-sha256; d=example.org; ...`` (RFC 6376 §3.2), also of key records, ARC fields and DMARC records."""

from __future__ import annotations

import base64
import binascii
import re

MAX_TAGS = 100

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class TagError(ValueError):
    """The list does not follow the grammar; the text says where."""


def parse(text: str) -> dict[str, str]:
    """Names as they stand, to values without outer white space. Raises TagError: no ``=``, bad name, a tag twice."""
    tags: dict[str, str] = {}
    for piece in text.split(";", MAX_TAGS + 1):
        name, found, value = piece.partition("=")
        name = name.strip(" \t\r\n")
        if not found:
            if name:
                raise TagError(f"{name[:40]!r} is no tag")
            continue
        if not _NAME.fullmatch(name):
            raise TagError(f"{name[:40]!r} is no tag's name")
        if name in tags:
            raise TagError(f"the tag {name[:40]} stands twice")
        tags[name] = value.strip(" \t\r\n")
    if len(tags) > MAX_TAGS:
        raise TagError("too many tags")
    return tags


def folded(value: str) -> str:
    """A value without any white space: what base64 and lists of names may have inside (RFC 6376 §3.2)."""
    return "".join(value.split())


def octets(value: str) -> bytes:
    """The octets that base64 stands for. Raises TagError."""
    try:
        return base64.b64decode(folded(value), validate=True)
    except (binascii.Error, ValueError):
        raise TagError("invalid base64") from None


def words(value: str) -> list[str]:
    """The parts of a colon-separated value, lower case."""
    return [word.strip().lower() for word in value.split(":")]


def without_b(value: bytes) -> bytes:
    """A signature field's value with the value of its tag ``b`` taken out (RFC 6376 §3.5)."""
    pieces = value.split(b";")
    for index, piece in enumerate(pieces):
        name, found, _ = piece.partition(b"=")
        if found and name.strip(b" \t\r\n") == b"b":
            pieces[index] = name + b"="
    return b";".join(pieces)
