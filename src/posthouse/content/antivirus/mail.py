"""A message as scanners are given it: whole, and part by part without transfer encodings."""

from __future__ import annotations

import hashlib
from functools import partial

from posthouse.content.attachments import leaves, number_of, octets_of
from posthouse.formats.mime import sections, transfer
from posthouse.model.scan import ScannedMail, ScannedPart
from posthouse.model.summary import Part

MAX_PARTS = 500


def scanned(content: bytes, root: Part) -> ScannedMail:
    """Nothing is decoded yet."""
    parts = [_part(content, part) for part in leaves(root) if part.body_end > part.body_start]
    return ScannedMail(content, tuple(parts[:MAX_PARTS]))


def _part(content: bytes, part: Part) -> ScannedPart:
    name = sections.filename(part)
    plain = part.encoding in transfer.IDENTITY and part.type == "text" and not name
    kind = f"{part.type}/{part.subtype}"
    size = part.body_end - part.body_start
    return ScannedPart(number_of(part), name, kind, plain, size, partial(octets_of, content, part))


def likeness(content: bytes, root: Part) -> bytes:
    """The same for messages that differ only in what the header says of their way and their readers: body and MIME fields."""
    digest = hashlib.sha256()
    for field in root.headers:
        if field.name.startswith("content-"):
            digest.update(content[field.start : field.end])
    digest.update(memoryview(content)[root.body_start :])
    return digest.digest()
