"""What the server says (RFC 5804 §1.2, §1.3, §1.7)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from posthouse.protocols.managesieve.words import MAX_QUOTED_BYTES

_PLAIN = re.compile(r"[^\x00\r\n]*+")


def string(text: str) -> bytes:
    """Quoted if it can be, else a literal."""
    octets = text.encode("utf-8", "replace")
    if len(octets) <= MAX_QUOTED_BYTES and _PLAIN.fullmatch(text):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return literal(octets)


def literal(octets: bytes) -> bytes:
    """``{n}`` CRLF and the octets."""
    return b"{%d}\r\n" % len(octets) + octets


def ok(text: str = "", code: bytes = b"") -> bytes:
    """Success."""
    return _ending(b"OK", text, code)


def no(text: str, code: str = "") -> bytes:
    """Failure; the connection goes on."""
    return _ending(b"NO", text, code.encode())


def bye(text: str, code: str = "") -> bytes:
    """The connection ends."""
    return _ending(b"BYE", text, code.encode())


def _ending(word: bytes, text: str, code: bytes) -> bytes:
    parts = [word, b"(" + code + b")" if code else b"", string(text) if text else b""]
    return b" ".join(part for part in parts if part) + b"\r\n"


def capabilities(pairs: Sequence[tuple[str, str | None]]) -> bytes:
    """One line for each; None: no value."""
    return b"".join(string(name) + (b"" if value is None else b" " + string(value)) + b"\r\n" for name, value in pairs)


def script_line(name: str, *, active: bool) -> bytes:
    """One line of LISTSCRIPTS."""
    return string(name) + (b" ACTIVE\r\n" if active else b"\r\n")


def tag_code(tag: bytes) -> bytes:
    """The code that gives NOOP's tag back (§2.13)."""
    return b"TAG " + string(tag.decode("utf-8", "replace"))
