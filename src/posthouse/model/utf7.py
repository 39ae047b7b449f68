"""Modified UTF-7, the spelling of mailbox names on the wire of IMAP4rev1 and in Maildir folders (RFC 3501 §5.1.3, RFC 9051
appendix A.1)."""

from __future__ import annotations

import binascii
import re

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)(-?)")
_FOREIGN = re.compile(r"[^\x20-\x7e]+|&")


def decode(raw: bytes) -> str:
    """The text of ``raw``. Octets above 127 are read as UTF-8, since clients err so. Raises ValueError."""
    if b"&" not in raw:
        return raw.decode("utf-8")
    out: list[str] = []
    end = 0
    for match in _SHIFTED.finditer(raw):
        out.append(raw[end : match.start()].decode("utf-8"))
        out.append(_shifted(match))
        end = match.end()
    out.append(raw[end:].decode("utf-8"))
    return "".join(out)


def _shifted(match: re.Match[bytes]) -> str:
    coded, closed = match.groups()
    if not closed:
        raise ValueError("'&' without '-' in modified UTF-7")
    if not coded:
        return "&"
    try:
        octets = binascii.a2b_base64(coded.replace(b",", b"/") + b"=" * (-len(coded) % 4))
    except binascii.Error as error:
        raise ValueError("broken base64 in modified UTF-7") from error
    return octets.decode("utf-16-be")


def encode(name: str) -> bytes:
    """``name`` in modified UTF-7. Raises ValueError for lone surrogates."""
    if name.isascii() and "&" not in name and name.isprintable():
        return name.encode("ascii")
    return _FOREIGN.sub(_shift, name).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    text = match[0]
    if text == "&":
        return "&-"
    coded = binascii.b2a_base64(text.encode("utf-16-be"), newline=False).rstrip(b"=").replace(b"/", b",")
    return f"&{coded.decode('ascii')}-"
