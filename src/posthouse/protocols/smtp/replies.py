"""SMTP replies: rendering them for a client, parsing a server's (RFC 5321 §4.2, RFC 2034, RFC 3463).

Rendering never lets a CR, LF or control character through, whoever wrote the text. Parsing is bounded and strict in what
matters: three digits, one code in all the lines, an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from posthouse.base.errors import Temporary
from posthouse.model.verdict import Reply

MAX_TEXT = 480
"""Octets of text in one line; RFC 5321 §4.5.3.1.5 allows 512 with code and CRLF."""


class CommandRefused(Exception):
    """Raised by the parsers of commands; carries the reply that the client gets."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


class LocalProtocolError(Exception):
    """Our own side used a core in the wrong order: a defect of the driver, never the peer's doing."""


class BadReply(Temporary):
    """The server's answer is not SMTP, passes the bounds, or came when none was due."""

    def __init__(self, cause: str) -> None:
        super().__init__("The other server's answer was not understood", code=451, enhanced="4.5.0", cause=cause)


@lru_cache(256)
def render(reply: Reply) -> bytes:
    """The reply in octets, with its CRLF. Line breaks in the text, and texts too long for a line, make more lines."""
    text = reply.text
    if len(text) <= MAX_TEXT and text.isascii() and text.isprintable():
        return f"{reply.code} {reply.enhanced} {text}\r\n".encode() if reply.enhanced else f"{reply.code} {text}\r\n".encode()
    return render_lines(reply.code, _lines(text), reply.enhanced)


def render_lines(code: int, lines: Sequence[str], enhanced: str = "") -> bytes:
    """A reply of several lines, each made harmless."""
    prefix = f"{enhanced} " if enhanced else ""
    out = [f"{code}-{prefix}{_harmless(line)}\r\n" for line in lines[:-1]]
    out.append(f"{code} {prefix}{_harmless(lines[-1])}\r\n")
    return "".join(out).encode()


def _lines(text: str) -> list[str]:
    """At least one line, none longer than ``MAX_TEXT``."""
    out = [line[at : at + MAX_TEXT] for line in text.splitlines() for at in range(0, len(line), MAX_TEXT)]
    return out or [""]


def _harmless(line: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in line)


@dataclass(frozen=True, slots=True)
class ServerReply:
    """What a server answered. ``enhanced`` is "" if it gave none; ``lines`` are the texts without the codes."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines in one, for a log or a DSN's Diagnostic-Code."""
        return " ".join(line for line in self.lines if line)

    @property
    def positive(self) -> bool:
        """2xx or 3xx."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """4xx."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """5xx."""
        return self.code >= 500

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


class ReplyParser:
    """Octets in, ``ServerReply`` out."""

    def __init__(self, max_line: int = 4096, max_lines: int = 200) -> None:
        self._max_line = max_line
        self._max_lines = max_lines
        self._buffer = b""
        self._lines: list[bytes] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is buffered: neither a begun line nor a begun reply."""
        return not self._buffer and not self._lines

    def receive(self, data: bytes) -> None:
        """Takes octets in; they are looked at by ``next_reply``."""
        self._buffer = self._buffer + data if self._buffer else data

    def next_reply(self) -> ServerReply | None:
        """The next whole reply; None when more octets are needed. Raises BadReply."""
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if len(line) > self._max_line:
                raise BadReply("a line of the reply is too long")
            if not found:
                return None
            self._buffer = rest
            line = line.removesuffix(b"\r")
            if not self._valid(line):
                raise BadReply(f"malformed reply line {line[:80]!r}")
            self._lines.append(line)
            if line[3:4] != b"-":
                lines, self._lines = self._lines, []
                return _assemble(lines)
            if len(self._lines) >= self._max_lines:
                raise BadReply("the reply has too many lines")

    def _valid(self, line: bytes) -> bool:
        code = line[:3]
        first = self._lines[0][:3] if self._lines else code
        return len(code) == 3 and code.isdigit() and code[:1] in b"2345" and line[3:4] in (b"", b" ", b"-") and code == first


def _assemble(lines: list[bytes]) -> ServerReply:
    code = int(lines[0][:3])
    texts = [line[4:].decode("utf-8", "replace") for line in lines]
    enhanced = _enhanced(code, texts[0])
    if enhanced:
        texts = [text[len(enhanced) :].lstrip() if text.startswith(enhanced) else text for text in texts]
    return ServerReply(code, enhanced, tuple(_harmless_unicode(text) for text in texts))


def _enhanced(code: int, text: str) -> str:
    """The RFC 3463 code that ``text`` begins with; its class must be the reply's (RFC 2034 §4)."""
    word = text.partition(" ")[0]
    parts = word.split(".")
    if len(parts) != 3 or code < 200 or parts[0] != str(code // 100):
        return ""
    return word if all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts) else ""


def _harmless_unicode(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
