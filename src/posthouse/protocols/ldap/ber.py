"""BER as LDAP uses it: single-octet tags, definite lengths (RFC 4511 §5.1, X.690 §8).

Reads one level at a time, so that no nesting can exhaust anything; what a message may hold at most is its reader's bound.
"""

from __future__ import annotations

from collections.abc import Iterator

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31
_MAX_LENGTH_OCTETS = 4
_MAX_INTEGER_OCTETS = 8


class Malformed(ValueError):
    """The octets are not what they should be."""


def element(tag: int, *contents: bytes) -> bytes:
    """One element; ``contents`` are put one after the other."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A number from 0 on."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes, tag: int = OCTETS) -> bytes:
    """A string of octets."""
    return element(tag, value)


def boolean(*, value: bool) -> bytes:
    """True or false."""
    return element(BOOLEAN, b"\xff" if value else b"\0")


def whole(buffer: bytes | bytearray, at: int, max_bytes: int) -> int:
    """How many octets the element at ``at`` has; 0 while it is not all there. Raises Malformed."""
    there = len(buffer) - at
    if there < 2:
        return 0
    length, head = buffer[at + 1], 2
    if length >= 0x80:
        count = length & 0x7F
        if not 0 < count <= _MAX_LENGTH_OCTETS:
            raise Malformed("a length that LDAP does not have")
        if there < 2 + count:
            return 0
        head = 2 + count
        length = int.from_bytes(buffer[at + 2 : at + head], "big")
    if length > max_bytes:
        raise Malformed(f"an element of {length} octets is too large")
    return head + length if there >= head + length else 0


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element in ``content``. Raises Malformed."""
    at, size = 0, len(content)
    while at < size:
        if size - at < 2:
            raise Malformed("an element without a length")
        tag, length = content[at], content[at + 1]
        if tag & 0x1F == 0x1F:
            raise Malformed("a tag that LDAP does not have")
        at += 2
        if length >= 0x80:
            count = length & 0x7F
            if not 0 < count <= _MAX_LENGTH_OCTETS or at + count > size:
                raise Malformed("a length that LDAP does not have")
            length = int.from_bytes(content[at : at + count], "big")
            at += count
        if at + length > size:
            raise Malformed("an element that ends after its parent")
        yield tag, content[at : at + length]
        at += length


def number(content: bytes) -> int:
    """The number that an integer's or enumeration's content is. Raises Malformed."""
    if not 0 < len(content) <= _MAX_INTEGER_OCTETS:
        raise Malformed("a number without octets, or with too many")
    return int.from_bytes(content, "big", signed=True)
