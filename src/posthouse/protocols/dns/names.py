"""Domain names on the wire (RFC 1035 §3.1, §4.1.4): text to labels and back, bounded against loops and lies in length.

As text a name has no final dot; the root is "". Octets of a label that a host name does not have are written as RFC 1035 §5.1
writes them (``\\032``), so that no name, whoever made it, brings control characters or dots of its own into a text.
"""

from __future__ import annotations

MAX_NAME_BYTES = 255
MAX_LABEL_BYTES = 63
MAX_POINTERS = 64
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*/=+:")


class BadName(ValueError):
    """No domain name, or one that passes the bounds."""


def to_wire(name: str) -> bytes:
    """Raises BadName for what cannot be a name. Text beyond ASCII is encoded by IDNA."""
    text = name[:-1] if name.endswith(".") and not name.endswith("..") else name
    if not text:
        return b"\0"
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise BadName("not an internationalised name") from None
    if "\\" in text:
        raise BadName("escapes are not taken")
    out = bytearray()
    for label in text.encode("ascii").split(b"."):
        if not 0 < len(label) <= MAX_LABEL_BYTES:
            raise BadName("a label is empty or too long")
        out.append(len(label))
        out += label
    if len(out) >= MAX_NAME_BYTES:
        raise BadName("the name is too long")
    return bytes(out) + b"\0"


def labels_at(wire: bytes, at: int) -> tuple[list[bytes], int]:
    """The labels of the name at ``at``, and where the octets after it begin. Pointers must lead backwards, each further than
    the one before, so that no chain of them can loop. Raises BadName."""
    labels: list[bytes] = []
    after = -1
    floor = at
    size = 1
    pointers = 0
    while True:
        if at >= len(wire):
            raise BadName("the name runs out of the message")
        length = wire[at]
        if length == 0:
            return labels, after if after >= 0 else at + 1
        if length & 0xC0 == 0xC0:
            if at + 1 >= len(wire):
                raise BadName("half a pointer")
            if after < 0:
                after = at + 2
            at = (length & 0x3F) << 8 | wire[at + 1]
            pointers += 1
            if at >= floor or pointers > MAX_POINTERS:
                raise BadName("a pointer does not lead backwards")
            floor = at
            continue
        if length & 0xC0:
            raise BadName("an unknown kind of label")
        size += 1 + length
        if size > MAX_NAME_BYTES or at + 1 + length > len(wire):
            raise BadName("the name is too long")
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length


def to_text(labels: list[bytes]) -> str:
    """The name as text, letters as they came."""
    return ".".join(_label_text(label) for label in labels)


def _label_text(label: bytes) -> str:
    if _PLAIN.issuperset(label):
        return label.decode("ascii")
    return "".join(chr(octet) if octet in _PLAIN else f"\\{octet:03d}" for octet in label)
