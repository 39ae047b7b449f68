"""A command's words out of a stream: atoms, numbers, quoted strings, literals (RFC 5804 §1.2, §4).

Bounded: a line without its literals, the number of words, a literal's size; a literal that is too large is swallowed, so that
the connection can go on, unless it is past all measure. Literals of clients are non-synchronising (``{n+}``); ``{n}`` is read
the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE_BYTES = 8_192
MAX_QUOTED_BYTES = 1_024
MAX_WORDS = 10
MAX_SWALLOWED_BYTES = 64 << 20

_QUOTED = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*+)"')
_LITERAL = re.compile(rb"\{(\d{1,20})\+?\}\Z")
_ATOM = re.compile(rb"[A-Za-z0-9*][A-Za-z0-9_.\-]*+")
_BLANKS = re.compile(rb"[ \t]*+")
_ESCAPED = re.compile(rb'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Word:
    """``quoted`` tells strings from atoms and numbers. ``too_large``: a literal that was swallowed, its size in ``octets``."""

    octets: bytes
    quoted: bool
    too_large: bool = False


class Broken(Exception):
    """The line is no command; ``closes``: nothing more can be read."""

    def __init__(self, text: str, *, closes: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.closes = closes


class WordReader:
    """``feed`` octets, ``next`` gives the words of a whole command. ``max_literal_bytes`` may change between commands."""

    def __init__(self, max_literal_bytes: int) -> None:
        self.max_literal_bytes = max_literal_bytes
        self._buffer = bytearray()
        self._words: list[Word] = []
        self._missing = 0
        self._keep = False
        self._searched = 0

    def feed(self, data: bytes) -> None:
        """More octets."""
        self._buffer += data

    def clear(self) -> None:
        """Forgets everything (STARTTLS)."""
        self._buffer.clear()
        self._words = []
        self._missing = self._searched = 0

    def next(self) -> list[Word] | None:
        """The words of the next command, None until more octets come; empty lines are passed over. Raises Broken."""
        while True:
            if self._missing and not self._take_literal():
                return None
            line = self._take_line()
            if line is None:
                return None
            try:
                more = self._add_words(line)
            except Broken:
                self._words = []
                raise
            if not more and self._words:
                words, self._words = self._words, []
                return words

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end > MAX_LINE_BYTES or (end < 0 and len(self._buffer) > MAX_LINE_BYTES):
            raise Broken("The line is too long", closes=True)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line.removesuffix(b"\r")

    def _take_literal(self) -> bool:
        size = self._missing
        if self._keep:
            if len(self._buffer) < size:
                return False
            self._words.append(Word(bytes(self._buffer[:size]), quoted=True))
            del self._buffer[:size]
            self._missing = 0
        else:
            taken = min(size, len(self._buffer))
            del self._buffer[:taken]
            self._missing -= taken
        self._searched = 0
        return self._missing == 0

    def _add_words(self, line: bytes) -> bool:
        """True if the line ends in a literal that is to come."""
        at = self._blanks(line, 0)
        while at < len(line):
            if len(self._words) >= MAX_WORDS:
                raise Broken("Too many words")
            if line[at] == 0x22:
                match = _QUOTED.match(line, at)
                if match is None or len(match[1]) > MAX_QUOTED_BYTES:
                    raise Broken("A quoted string is too long, or has no end")
                self._words.append(Word(_ESCAPED.sub(rb"\1", match[1]), quoted=True))
            elif line[at] == 0x7B:
                return self._begin_literal(line[at:])
            else:
                match = _ATOM.match(line, at)
                if match is None:
                    raise Broken("That is no command")
                self._words.append(Word(match[0], quoted=False))
            end = match.end()
            at = self._blanks(line, end)
            if at == end and at < len(line):
                raise Broken("A space is missing between words")
        return False

    def _begin_literal(self, rest: bytes) -> bool:
        match = _LITERAL.fullmatch(rest)
        if match is None:
            raise Broken("A literal ends its line")
        size = int(match[1])
        if size > MAX_SWALLOWED_BYTES:
            raise Broken("The literal is too large", closes=True)
        self._keep = size <= self.max_literal_bytes
        self._missing = size
        if not self._keep:
            self._words.append(Word(match[1], quoted=True, too_large=True))
        elif size == 0:
            self._words.append(Word(b"", quoted=True))
        return True

    @staticmethod
    def _blanks(line: bytes, at: int) -> int:
        match = _BLANKS.match(line, at)
        assert match is not None
        return match.end()
