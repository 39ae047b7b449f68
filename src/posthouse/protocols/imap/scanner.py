"""A command's octets, read from left to right: the tokens of IMAP's grammar (RFC 9051 §9).

The text of a command has its literals taken out: where one stood there is ``{n}`` and a line feed, and the octets are in
``literals``. Every method reads at ``pos`` and moves it on, or raises ``Malformed``. Strict where two readings are possible,
lenient where clients err without harm: several spaces for one, keywords in any case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from posthouse.model import utf7
from posthouse.model.mailbox import INBOX
from posthouse.protocols.imap.sequence import MAX_NUMBER, SAVED, Range, SequenceSet

Value = TypeVar("Value")

_SPACES = re.compile(rb" +")
_END = re.compile(rb" *\Z")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_PATTERN = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_QUOTED = re.compile(rb'"([^\x00\r\n"\\]*+(?:\\[^\x00\r\n][^\x00\r\n"\\]*+)*+)"')
_ESCAPE = re.compile(rb"\\(.)", re.S)
_LITERAL = re.compile(rb"(~?)\{\d+\+?\}\n")
_NUMBER = re.compile(rb"\d{1,20}(?!\d)")
_SET = re.compile(rb"[0-9*:,]+|\$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

MAX_NUMBER64 = 0x7FFF_FFFF_FFFF_FFFF


class Malformed(Exception):
    """The command breaks the grammar, or asks for what is refused before it is even tried."""

    def __init__(self, text: str, *, status: Literal["BAD", "NO"] = "BAD", code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.status: Literal["BAD", "NO"] = status
        self.code = code


class Scanner:
    """One command being read. ``utf8``: mailbox names are UTF-8, not modified UTF-7."""

    __slots__ = ("literals", "pos", "tag", "taken", "text", "utf8")

    def __init__(self, text: bytes, literals: Sequence[bytes], *, utf8: bool = False) -> None:
        self.text = text
        self.literals = literals
        self.utf8 = utf8
        self.tag = b""
        self.pos = 0
        self.taken = 0

    # --- marks between tokens

    def space(self) -> None:
        """One space, or several."""
        match = _SPACES.match(self.text, self.pos)
        if match is None:
            raise Malformed("Space expected" if self.pos < len(self.text) else "Missing argument")
        self.pos = match.end()

    def end(self) -> None:
        """Nothing but spaces may follow."""
        if not self.at_end():
            raise Malformed("Unexpected argument")

    def at_end(self) -> bool:
        """Whether only spaces follow."""
        return self.pos == len(self.text) or _END.match(self.text, self.pos) is not None

    def peek(self) -> bytes:
        """The next octet, empty at the end."""
        return self.text[self.pos : self.pos + 1]

    def skip(self, mark: bytes) -> bool:
        """Moves over ``mark`` if it comes next."""
        if self.text.startswith(mark, self.pos):
            self.pos += len(mark)
            return True
        return False

    def need(self, mark: bytes) -> None:
        """``mark`` must come next."""
        if not self.skip(mark):
            raise Malformed(f"{mark.decode('ascii')!r} expected")

    # --- words

    def word(self) -> bytes:
        """An atom that is a keyword of the protocol, in upper case."""
        return self.atom().upper()

    def atom(self) -> bytes:
        match = _ATOM.match(self.text, self.pos)
        if match is None:
            raise Malformed("Atom expected")
        self.pos = match.end()
        return match[0]

    def astring(self) -> bytes:
        """An atom (with ``]``), a quoted string or a literal."""
        match = _ASTRING.match(self.text, self.pos)
        if match is None:
            return self.string()
        self.pos = match.end()
        return match[0]

    def string(self) -> bytes:
        """A quoted string or a literal; NULs in neither."""
        match = _QUOTED.match(self.text, self.pos)
        if match is None:
            value, binary = self.literal()
            if binary or b"\0" in value:
                raise Malformed("Unexpected binary literal")
            return value
        self.pos = match.end()
        raw = match[1]
        return _ESCAPE.sub(rb"\1", raw) if b"\\" in raw else raw

    def nstring(self) -> bytes | None:
        """NIL, or a string."""
        if self.text[self.pos : self.pos + 3].upper() == b"NIL":
            self.pos += 3
            return None
        return self.string()

    def literal(self) -> tuple[bytes, bool]:
        """A literal's octets, and whether it is a literal8 (RFC 3516)."""
        match = _LITERAL.match(self.text, self.pos)
        if match is None or self.taken >= len(self.literals):
            raise Malformed("String expected" if self.pos < len(self.text) else "Missing argument")
        self.pos = match.end()
        self.taken += 1
        return self.literals[self.taken - 1], bool(match[1])

    # --- numbers

    def number(self, at_most: int = MAX_NUMBER) -> int:
        match = _NUMBER.match(self.text, self.pos)
        if match is None or (value := int(match[0])) > at_most:
            raise Malformed("Number expected")
        self.pos = match.end()
        return value

    def nonzero(self, at_most: int = MAX_NUMBER) -> int:
        value = self.number(at_most)
        if not value:
            raise Malformed("Number must not be zero")
        return value

    def sequence(self, *, saved: bool = True) -> SequenceSet:
        """A sequence set; ``$`` where ``saved`` allows it."""
        match = _SET.match(self.text, self.pos)
        if match is None:
            raise Malformed("Message set expected")
        self.pos = match.end()
        raw = match[0]
        if raw == b"$":
            if not saved:
                raise Malformed("'$' is not allowed here")
            return SAVED
        return SequenceSet(tuple([_range(part) for part in raw.split(b",")]))

    # --- text

    def text_string(self, read: Callable[[Scanner], bytes], encoding: str = "utf-8") -> str:
        """A token as text. Raises Malformed if it is not valid in ``encoding``."""
        try:
            return read(self).decode(encoding)
        except UnicodeDecodeError:
            raise Malformed("Text is not valid in its character set") from None

    def mailbox(self) -> str:
        """A mailbox name: text, INBOX in upper case."""
        name = self.decoded(self.astring())
        return INBOX if name.upper() == INBOX else name

    def pattern(self) -> str:
        """LIST's pattern: a mailbox name in which ``%`` and ``*`` need no quotes."""
        match = _PATTERN.match(self.text, self.pos)
        if match is None:
            return self.decoded(self.string())
        self.pos = match.end()
        return self.decoded(match[0])

    def decoded(self, raw: bytes) -> str:
        """``raw`` as a mailbox name: UTF-8 or modified UTF-7, no control characters."""
        try:
            name = raw.decode("utf-8") if self.utf8 else utf7.decode(raw)
        except ValueError:
            raise Malformed("Mailbox name is not well encoded", status="NO", code="CANNOT") from None
        if not name.isprintable() and _CONTROL.search(name):
            raise Malformed("Mailbox name has a control character", status="NO", code="CANNOT")
        return name

    # --- lists

    def listed(self, item: Callable[[], Value], *, at_most: int = 1000) -> list[Value]:
        """``(item item ...)``, possibly empty."""
        self.need(b"(")
        out: list[Value] = []
        self.skip_spaces()
        while not self.skip(b")"):
            if len(out) >= at_most:
                raise Malformed("Too many arguments", code="LIMIT")
            out.append(item())
            if self.skip(b")"):
                break
            self.space()
        return out

    def skip_spaces(self) -> None:
        """Spaces that should not be there."""
        match = _SPACES.match(self.text, self.pos)
        if match is not None:
            self.pos = match.end()


def _range(part: bytes) -> Range:
    low, colon, high = part.partition(b":")
    first = _bound(low)
    return (first, _bound(high) if colon else first)


def _bound(text: bytes) -> int:
    if text == b"*":
        return 0
    if not text.isdigit() or len(text) > 10 or not 0 < (value := int(text)) <= MAX_NUMBER:
        raise Malformed("Message set is not valid")
    return value
