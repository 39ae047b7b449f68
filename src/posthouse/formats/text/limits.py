"""How much of one message is looked at for searching. Where a limit is met the rest is left out, and said so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextLimits:
    """``chars``: text of headers and text parts together; and again of all documents together. ``document_bytes``: a
    document's own size; ``unpacked_bytes``: what all that is read of its archive may grow to."""

    chars: int = 1 << 20
    documents: int = 20
    document_bytes: int = 16 << 20
    unpacked_bytes: int = 64 << 20
    archive_members: int = 4_000
    pdf_pages: int = 500


DEFAULT = TextLimits()
