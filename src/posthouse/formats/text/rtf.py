"""RTF to text: groups that hold no text are skipped, characters in their code page or as Unicode are decoded.

Source: Microsoft's RTF Specification 1.9.1. One pass over tokens, each found by a linear pattern.
"""

from __future__ import annotations

import re

from posthouse.formats import charsets
from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.trouble import Unreadable

_TOKEN = re.compile(rb"\\'([0-9a-fA-F]{2})|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL)
_SILENT = frozenset(
    b"fonttbl colortbl stylesheet pict object objdata themedata datastore listtable listoverridetable rsidtbl xmlnstbl "
    b"fldinst generator latentstyles colorschememapping filetbl revtbl blipuid".split()
)
_SPACES = {
    b"par": "\n", b"line": "\n", b"tab": "\t", b"cell": "\n", b"row": "\n", b"sect": "\n", b"page": "\n",
    b"emdash": "\u2014", b"endash": "\u2013", b"lquote": "\u2018", b"rquote": "\u2019", b"ldblquote": "\u201c",
    b"rdblquote": "\u201d", b"bullet": "\u2022",
}  # fmt: skip
_MAX_DEPTH = 1_000


class _Rtf:
    def __init__(self, chars: int) -> None:
        self.left = chars
        self.codepage = "windows-1252"
        self.out: list[str] = []
        self.raw = bytearray()
        self.groups: list[tuple[bool, int]] = []
        self.silent = False
        self.fallback_chars = 1
        self.to_skip = 0

    def character(self, octet: int) -> None:
        """An octet in the document's code page, unless it stands in for a Unicode character just read."""
        if self.to_skip:
            self.to_skip -= 1
        elif not self.silent:
            self.raw.append(octet)

    def text(self, octets: bytes) -> None:
        skipped = min(self.to_skip, len(octets))
        self.to_skip -= skipped
        if not self.silent:
            self.raw += octets[skipped:]

    def say(self, text: str) -> None:
        self.flush()
        if not self.silent:
            self.out.append(text)
            self.left -= len(text)

    def flush(self) -> None:
        """Octets are decoded together: a character may have two."""
        if self.raw:
            text = charsets.decode(bytes(self.raw), self.codepage)
            self.out.append(text)
            self.left -= len(text)
            self.raw.clear()

    def brace(self, octet: bytes) -> None:
        self.flush()
        self.to_skip = 0
        if octet == b"{":
            if len(self.groups) >= _MAX_DEPTH:
                raise Unreadable("nested too deeply")
            self.groups.append((self.silent, self.fallback_chars))
        elif self.groups:
            self.silent, self.fallback_chars = self.groups.pop()

    def word(self, word: bytes, number: bytes | None) -> None:
        if word in _SILENT:
            self.flush()
            self.silent = True
        elif word == b"u" and number is not None:
            code = int(number) & 0xFFFF
            self.say(chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd")
            self.to_skip = self.fallback_chars
        elif word == b"uc":
            self.fallback_chars = min(abs(int(number or b"1")), 10)
        elif word == b"ansicpg" and number is not None:
            self.codepage = f"windows-{int(number)}"
        elif word in _SPACES:
            self.say(_SPACES[word])


def text(octets: bytes, limits: TextLimits) -> str:
    """The text, at most ``limits.chars`` characters. Raises Unreadable."""
    if not octets.startswith(b"{\\rtf"):
        raise Unreadable("not RTF")
    rtf = _Rtf(limits.chars)
    for match in _TOKEN.finditer(octets):
        hexadecimal, word, number, symbol, brace, plain = match.groups()
        if plain is not None:
            rtf.text(plain)
        elif brace is not None:
            rtf.brace(brace)
        elif hexadecimal is not None:
            rtf.character(int(hexadecimal, 16))
        elif word is not None:
            rtf.word(word, number)
        elif symbol == b"*":
            rtf.flush()
            rtf.silent = True
        elif symbol == b"~":
            rtf.say(" ")
        elif symbol is not None and symbol in b"\\{}":
            rtf.character(symbol[0])
        if rtf.left <= 0:
            break
    rtf.flush()
    return "".join(rtf.out)[: limits.chars]
