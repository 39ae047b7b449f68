"""POP3 answers in octets: status lines, multi-line replies, messages (RFC 1939 §3, RFC 2449 §8)."""

from __future__ import annotations

from collections.abc import Iterable

from posthouse.protocols.dots import stuff

MAX_TEXT = 480


def ok(text: str = "") -> bytes:
    """``+OK text``."""
    return f"+OK {_harmless(text)}".rstrip().encode() + b"\r\n"


def err(text: str, code: str = "") -> bytes:
    """``-ERR [code] text``; ``code`` is a response code such as ``AUTH`` or ``IN-USE`` (RFC 2449 §8, RFC 3206)."""
    return f"-ERR {f'[{code}] ' if code else ''}{_harmless(text)}".encode() + b"\r\n"


def listing(first: str, lines: Iterable[str]) -> bytes:
    """A multi-line answer whose lines never begin with a dot and hold no line breaks."""
    return "\r\n".join([f"+OK {first}", *lines, ".\r\n"]).encode()


def message(first: str, content: bytes) -> bytes:
    """A message as a multi-line answer."""
    return b"".join((b"+OK ", first.encode(), b"\r\n", stuff(content), b".\r\n"))


def top(content: bytes, lines: int) -> bytes:
    """The header, the empty line, and the first ``lines`` lines of the body (RFC 1939 §7)."""
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return content
    end += 4
    for _ in range(lines):
        newline = content.find(b"\n", end)
        if newline < 0:
            return content
        end = newline + 1
    return content[:end]


def _harmless(text: str) -> str:
    text = text[:MAX_TEXT]
    return text if text.isascii() and text.isprintable() else "".join(c if " " <= c <= "~" else "?" for c in text)
