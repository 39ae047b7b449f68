"""Content-Transfer-Encoding undone (RFC 2045 §6), whole or just a beginning. Lenient in what it reads."""

from __future__ import annotations

import binascii

from posthouse.formats.headers import base64_lenient

IDENTITY = frozenset(("7bit", "8bit", "binary", ""))
KNOWN = IDENTITY | {"base64", "quoted-printable"}


class UnknownEncoding(ValueError):
    """The part's Content-Transfer-Encoding is none that we can undo (IMAP: NO [UNKNOWN-CTE], RFC 3516 §4.3)."""


def decode(octets: bytes, encoding: str) -> bytes:
    """``octets`` without ``encoding`` (lower case). Raises UnknownEncoding."""
    if encoding in IDENTITY:
        return octets
    if encoding == "base64":
        return base64_lenient(octets)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(octets)
    raise UnknownEncoding(encoding)
