"""The parsed-once message (``Parse once``): made by ``formats.mime`` at acceptance, read by every stage, kept by the store.

Offsets count octets from the message's first octet. Nothing here holds the message itself.
"""

from __future__ import annotations

from msgspec import Struct


class HeaderField(Struct, frozen=True):
    """One field: ``name`` in lower case; the raw field, name and folding and final CRLF included, is [start:end]."""

    name: str
    start: int
    value_start: int
    end: int


class Part(Struct, frozen=True):
    """One MIME entity. Header is [header_start:body_start], body is [body_start:body_end] (without the delimiter's CRLF).

    ``params`` and ``disposition_params`` are (lower-case name, decoded value) pairs; ``lines`` counts the line ends in
    the body of text and message parts (what IMAP shows), 0 for others.
    ``children`` holds sub-parts of a multipart, or the one embedded message's root of message/rfc822 (or message/global).
    ``section`` is IMAP's part number, "" for the root, ``1.2``.
    """

    section: str
    type: str
    subtype: str
    params: tuple[tuple[str, str], ...]
    encoding: str
    content_id: str
    description: str
    disposition: str
    disposition_params: tuple[tuple[str, str], ...]
    header_start: int
    body_start: int
    body_end: int
    lines: int
    headers: tuple[HeaderField, ...]
    children: tuple[Part, ...] = ()


class Summary(Struct, frozen=True):
    """``envelope`` and ``bodystructure`` are IMAP's, ready to send (octets, no literals' CRLF trouble: literals inside use
    ``{n}CRLF`` form). ``body`` is BODY (BODYSTRUCTURE without extension data).

    ``digest`` is the SHA-256 of the whole message. ``sent_at`` is the Date header in seconds since 1970, or None.
    ``subject``, ``sender`` and so on are decoded text, bounded. ``problems`` names limits that were met, such as
    ``too many parts``; the message is still whole, only its index ends there.
    """

    size_bytes: int
    digest: bytes
    root: Part
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    subject: str
    from_addresses: tuple[str, ...]
    to_addresses: tuple[str, ...]
    cc_addresses: tuple[str, ...]
    sent_at: float | None
    envelope: bytes
    body: bytes
    bodystructure: bytes
    preview: str
    problems: tuple[str, ...] = ()

    @property
    def header_end(self) -> int:
        """Offset of the body's first octet."""
        return self.root.body_start

    def count(self, name: str) -> int:
        """How many fields of this name (lower case) the top header has."""
        return sum(1 for field in self.root.headers if field.name == name)
