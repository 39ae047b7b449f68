"""Header fields out of the first octets of a message, for lists of many messages: no index is made, no body is read.

The rules are those of ``tree``: where a line is no field, the header ends. What does not end within the octets given is not
answered; the caller then takes the whole message. RFC 9051 §6.4.5.1 (HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from posthouse.formats.mime.tree import FIELD


def chosen_fields(head: bytes, names: Collection[bytes], *, exclude: bool = False) -> bytes | None:
    """The fields of these ``names`` (lower case), or with ``exclude`` all others, and the blank line; None: see above."""
    pieces: list[bytes] = []
    end = 0
    for name, field, end in _fields(head):
        if (name in names) is not exclude:
            pieces.append(field)
    if head.find(b"\n", end) < 0:
        return None
    pieces.append(b"\r\n")
    return b"".join(pieces)


def whole_header(head: bytes) -> bytes | None:
    """The header with its blank line, as it stands in the message; None: see above."""
    end = _start(head)
    for _, _, end in _fields(head):
        pass
    if head.find(b"\n", end) < 0:
        return None
    if head.startswith(b"\r\n", end):
        return head[: end + 2]
    return head[: end + 1] if head.startswith(b"\n", end) else head[:end]


def unfolded(head: bytes, names: Collection[bytes]) -> dict[bytes, bytes] | None:
    """The first value of each of these fields (lower case), folds as single spaces; None: see above."""
    out: dict[bytes, bytes] = {}
    end = 0
    for name, field, end in _fields(head):
        if name in names and name not in out:
            out[name] = b" ".join(field[field.index(b":") + 1 :].split())
    return None if head.find(b"\n", end) < 0 else out


def _start(head: bytes) -> int:
    """Past the line that mbox files put in front."""
    return head.find(b"\n") + 1 if head.startswith((b"From ", b">From ")) else 0


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """(name in lower case, raw field, where it ends) of each field."""
    for match in iter(FIELD.scanner(head, _start(head)).match, None):  # type: ignore[attr-defined]
        yield match[1].lower(), match[0], match.end()
