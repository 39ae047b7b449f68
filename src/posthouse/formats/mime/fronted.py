"""A summary for a message that got more header fields, or lost some: offsets move, nothing is parsed anew.

For fields that IMAP's ENVELOPE does not show (trace fields, results of checks, signatures).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec.structs import replace

from posthouse.formats.mime.tree import fields_of
from posthouse.model.summary import HeaderField, Part, Summary


def with_fields(content: bytes, summary: Summary, new: bytes, after: int = 0) -> tuple[bytes, Summary]:
    """``content`` with ``new`` (whole fields) behind its first ``after`` fields, and the summary of that."""
    old = summary.root.headers
    at = old[after - 1].end if after else summary.root.header_start
    joined = b"".join((content[:at], new, content[at:]))
    fields = (*old[:after], *_shifted(fields_of(new), at), *_shifted(old[after:], len(new)))
    root = _placed(summary.root, len(new), summary.root.header_start, fields)
    return joined, replace(summary, size_bytes=len(joined), digest=hashlib.sha256(joined).digest(), root=root)


def without(content: bytes, summary: Summary, fields: Sequence[HeaderField]) -> tuple[bytes, Summary]:
    """``content`` without these fields of its top header, which stand in order, and its summary."""
    pieces, kept, position, gone = [], [], 0, 0
    left = {field.start for field in fields}
    for field in summary.root.headers:
        if field.start in left:
            pieces.append(content[position : field.start])
            position = field.end
            gone += field.end - field.start
        else:
            kept.append(HeaderField(field.name, field.start - gone, field.value_start - gone, field.end - gone))
    joined = b"".join([*pieces, content[position:]])
    root = _placed(summary.root, -gone, summary.root.header_start, tuple(kept))
    return joined, replace(summary, size_bytes=len(joined), digest=hashlib.sha256(joined).digest(), root=root)


def _moved(part: Part, by: int) -> Part:
    return _placed(part, by, part.header_start + by, tuple(_shifted(part.headers, by)))


def _placed(part: Part, by: int, header_start: int, fields: tuple[HeaderField, ...]) -> Part:
    """The part with this header; what is behind it has moved."""
    return Part(
        part.section, part.type, part.subtype, part.params, part.encoding, part.content_id, part.description,
        part.disposition, part.disposition_params, header_start, part.body_start + by, part.body_end + by, part.lines, fields,
        tuple([_moved(child, by) for child in part.children]),
    )  # fmt: skip


def _shifted(fields: Sequence[HeaderField], by: int) -> list[HeaderField]:
    return [HeaderField(each.name, each.start + by, each.value_start + by, each.end + by) for each in fields]
