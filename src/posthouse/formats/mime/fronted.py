"""A summary for a message that got more header fields, or lost some: offsets move, nothing is parsed anew.

For fields that IMAP's ENVELOPE does not show (trace fields, results of checks, signatures).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from posthouse.formats.mime.limits import Limits
from posthouse.formats.mime.tree import index
from posthouse.model.summary import HeaderField, Part, Summary

_HEADER_ONLY = Limits(max_parts=1, max_depth=1)


def with_fields(content: bytes, summary: Summary, new: bytes, after: int = 0) -> tuple[bytes, Summary]:
    """``content`` with ``new`` (whole fields) behind its first ``after`` fields, and the summary of that."""
    old = summary.root.headers
    at = old[after - 1].end if after else summary.root.header_start
    joined = b"".join((content[:at], new, content[at:]))
    moved = _moved(summary.root, len(new))
    added = [HeaderField(each.name, each.start + at, each.value_start + at, each.end + at) for each in _fields(new)]
    root = replace(moved, header_start=summary.root.header_start, headers=(*old[:after], *added, *moved.headers[after:]))
    return joined, replace(summary, size_bytes=len(joined), digest=hashlib.sha256(joined).digest(), root=root)


def _fields(octets: bytes) -> tuple[HeaderField, ...]:
    return index(octets + b"\r\n", _HEADER_ONLY).headers


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
    root = replace(_moved(summary.root, -gone), header_start=summary.root.header_start, headers=tuple(kept))
    return joined, replace(summary, size_bytes=len(joined), digest=hashlib.sha256(joined).digest(), root=root)


def _moved(part: Part, by: int) -> Part:
    return Part(
        part.section, part.type, part.subtype, part.params, part.encoding, part.content_id, part.description,
        part.disposition, part.disposition_params, part.header_start + by, part.body_start + by, part.body_end + by, part.lines,
        tuple([HeaderField(each.name, each.start + by, each.value_start + by, each.end + by) for each in part.headers]),
        tuple([_moved(child, by) for child in part.children]),
    )  # fmt: skip
