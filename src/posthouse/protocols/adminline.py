"""The administration protocol's lines (ADM-3), sans-IO: octets to requests, results to octets.

A request is ``TAG word word...`` CRLF. A word is bare, or quoted with ``\\`` before ``"`` and ``\\``, or, at a line's end, a
non-synchronising literal ``{n+}`` CRLF and n octets, after which the line goes on. A reply is any number of data lines
``* TAG field field...``, then ``TAG OK`` or ``TAG NO``. Texts in data lines are quoted, numbers bare; a last field with
line ends goes as a literal ``{n}``. Text is UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LINE_BYTES = 65_536
MAX_WORDS = 1_000
_LITERAL = re.compile(rb"\{(\d{1,9})\+\}")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.S)
_BARE = re.compile(rb"[^ \t]+")
_BLANKS = re.compile(rb"[ \t]*")
_ESCAPED = re.compile(rb"\\(.)", re.S)
_LOOKS_LITERAL = re.compile(r"\{\d+\}")
_TAG = re.compile(rb"[^\s*\"\\(){}]{1,64}")

Field = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One request. ``words`` without the tag, at least one."""

    tag: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no request; ``tag`` is ``*`` if it had none that can be answered."""

    tag: str
    why: str


class TooLong(Exception):
    """The peer passed a limit; the connection cannot go on."""


class AdminLineParser:
    """Feeds on octets; ``next`` gives what is complete. ``max_bytes`` bounds one request with its literals."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._words: list[bytes] = []
        self._size = 0
        self._literal: int | None = None

    def feed(self, data: bytes) -> None:
        """More octets from the client."""
        self._buffer += data

    def next(self) -> Line | Malformed | None:
        """The next request, or None until more octets come. Empty lines are passed over. Raises TooLong."""
        while True:
            if self._literal is not None:
                if not self._take_literal():
                    return None
                continue
            line = self._take_line()
            if line is None:
                return None
            try:
                more = self._add_words(line)
            except ValueError as error:
                return self._malformed(str(error))
            if more:
                continue
            if self._words:
                return self._request()
            self._reset()

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        longest = min(MAX_LINE_BYTES, self.max_bytes)
        if end > longest or (end < 0 and len(self._buffer) > longest):
            raise TooLong("the line is too long")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        self._grow(end)
        return line.removesuffix(b"\r")

    def _grow(self, octets: int) -> None:
        self._size += octets
        if self._size > self.max_bytes:
            raise TooLong("the request is too long")

    def _take_literal(self) -> bool:
        size = self._literal
        assert size is not None
        if len(self._buffer) < size:
            return False
        self._words.append(bytes(self._buffer[:size]))
        del self._buffer[:size]
        self._searched = 0
        self._literal = None
        return True

    def _add_words(self, line: bytes) -> bool:
        """Adds a line's words; True if it ends with a literal that is to come. Raises ValueError."""
        at = _blanks_end(line, 0)
        while at < len(line):
            if len(self._words) > MAX_WORDS:
                raise ValueError("too many words")
            if line[at] == 0x22:
                match = _QUOTED.match(line, at)
                if match is None:
                    raise ValueError("a quoted word does not end")
                word = _ESCAPED.sub(rb"\1", match[1])
            else:
                match = _BARE.match(line, at)
                assert match is not None
                word = match[0]
                if match.end() == len(line) and self._words and (literal := _LITERAL.fullmatch(word)):
                    self._literal = int(literal[1])
                    self._grow(self._literal)
                    return True
            self._words.append(word)
            end = match.end()
            at = _blanks_end(line, end)
            if at == end and at < len(line):
                raise ValueError("a quoted word must be followed by a space")
        return False

    def _request(self) -> Line | Malformed:
        tag, *words = self._words
        if not _TAG.fullmatch(tag):
            return self._malformed("the line does not begin with a tag")
        if not words:
            return self._malformed("a command is missing")
        try:
            line = Line(tag.decode(), tuple(word.decode() for word in words))
        except UnicodeDecodeError:
            return self._malformed("the text is not UTF-8")
        if any("\x00" in word for word in line.words):
            return self._malformed("the text has NUL in it")
        self._reset()
        return line

    def _malformed(self, why: str) -> Malformed:
        first = self._words[0] if self._words else b""
        tag = first.decode("ascii", "replace") if _TAG.fullmatch(first) and first.isascii() else "*"
        self._reset()
        return Malformed(tag, why)

    def _reset(self) -> None:
        self._words = []
        self._size = 0


def _blanks_end(line: bytes, at: int) -> int:
    match = _BLANKS.match(line, at)
    assert match is not None
    return match.end()


def quoted(text: str) -> str:
    """A text as a quoted word; it must have no line ends."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def greeting(host: str, version: str) -> bytes:
    """What the server says first."""
    return f"* OK {host} admind {version}\r\n".encode()


def data_line(tag: str, fields: Sequence[Field]) -> bytes:
    """One data line. Line ends are kept in the last field only; in others they become spaces."""
    *others, last = fields
    words = [_word(field) for field in others]
    if isinstance(last, str) and ("\n" in last or "\r" in last or _LOOKS_LITERAL.search(last)):
        octets = last.encode("utf-8", "replace")
        head = " ".join(["*", tag, *words, f"{{{len(octets)}}}"])
        return head.encode("utf-8", "replace") + b"\r\n" + octets + b"\r\n"
    return " ".join(["*", tag, *words, _word(last)]).encode("utf-8", "replace") + b"\r\n"


def bare_line(tag: str, word: str) -> bytes:
    """A data line of one bare word, such as a session id."""
    return f"* {tag} {word}\r\n".encode()


def _word(field: Field) -> str:
    if field is None:
        return '""'
    if isinstance(field, bool):
        return "yes" if field else "no"
    return quoted(" ".join(re.split(r"[\r\n]+", field))) if isinstance(field, str) else str(field)


def ending(tag: str, *, ok: bool, text: str = "") -> bytes:
    """The line that ends a reply."""
    word = "OK" if ok else "NO"
    return " ".join([tag, word, *text.split()]).encode("utf-8", "replace") + b"\r\n"
