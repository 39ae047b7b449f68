"""FETCH's answers that hold a message's content (RFC 9051 §7.5.2): BODY[...], BINARY[...], PREVIEW. The session renders the
others, which are columns of numbers and ready-made octets, by templates."""

from __future__ import annotations

from posthouse.protocols.imap.fetch_items import BodySection
from posthouse.protocols.imap.responses import literal, string


def preview_item(preview: str) -> bytes:
    """RFC 8970 §3.1."""
    return b"PREVIEW " + string(preview.encode("utf-8"))


def section_item(section: BodySection, content: bytes | None) -> bytes:
    """What BODY[...], BINARY[...] or RFC822 gave, already cut to ``partial``; None: there is no such part.

    Always a literal: clients are least surprised by it. For ``size_only`` see ``binary_size_item``.
    """
    return section.label + b" " + (b"NIL" if content is None else literal(content, binary=section.binary))


def binary_size_item(section: BodySection, size_bytes: int) -> bytes:
    """BINARY.SIZE[...] (RFC 3516 §4.3)."""
    return b"%b %d" % (section.label, size_bytes)
