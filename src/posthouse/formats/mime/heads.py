"""Header fields out of the first octets of a message, for lists of many messages: no index is made, no body is read.

The rules are those of ``tree``: where a line is no field, the header ends. What does not end within the octets given is not
answered; the caller then takes the whole message. RFC 9051 §6.4.5.1 (HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from posthouse.formats.mime.tree import FIELD


def chosen_fields(head: bytes, names: Collection[bytes], *, exclude: bool = False) -> bytes | None:
    """The fields of these ``names`` (lower case), or with ``exclude`` all others, and the blank line; None: see above."""
    fields, end = _fields(head)
    if not _ends(head, end):
        return None
    pieces = [field[0] for field in fields if (field[1].lower() in names) is not exclude]
    pieces.append(b"\r\n")
    return b"".join(pieces)


def whole_header(head: bytes) -> bytes | None:
    """The header with its blank line, as it stands in the message; None: see above."""
    _, end = _fields(head)
    if not _ends(head, end):
        return None
    if head.startswith(b"\r\n", end):
        return head[: end + 2]
    return head[: end + 1] if head.startswith(b"\n", end) else head[:end]


def first_values(head: bytes, names: Collection[bytes]) -> dict[bytes, bytes] | None:
    """The first value of each of these fields (lower case), white space and folds as single spaces; None: see above."""
    fields, end = _fields(head)
    if not _ends(head, end):
        return None
    out: dict[bytes, bytes] = {}
    for field in fields:
        name = field[1].lower()
        if name in names and name not in out:
            out[name] = b" ".join(field[2].split())
    return out


def _fields(head: bytes) -> tuple[list[re.Match[bytes]], int]:
    """Matches of (field, name, value) and where the last ends. A line that mbox files put in front is passed over."""
    start = head.find(b"\n") + 1 if head.startswith((b"From ", b">From ")) else 0
    fields = list(iter(FIELD.scanner(head, start).match, None))  # type: ignore[attr-defined]
    return fields, fields[-1].end() if fields else start


def _ends(head: bytes, end: int) -> bool:
    """Whether it is certain that the header ends there: the next line is here whole, and it is no field."""
    return head.find(b"\n", end) >= 0
