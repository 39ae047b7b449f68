"""SPF's macro strings: reading them once, filling them in for one check (RFC 7208 §7).

Knows no DNS: the validated host name (``%{p}``) is looked up by the caller when ``Template.letters`` has a ``p``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from posthouse.mailauth.spf.errors import PermError

MAX_NAME = 253
MAX_EXPANDED = 4096

_PIECE = re.compile(r"%\{([A-Za-z])(\d{0,3})([rR]?)([.\-+,/_=]*)\}|(%%)|(%_)|(%-)|([^%]+)")
_DOMAIN_LETTERS = frozenset("slodiphv")
_EXPLANATION_LETTERS = _DOMAIN_LETTERS | frozenset("crt")
_DELIMITERS = re.compile(r"[.\-+,/_=]")


@dataclass(frozen=True, slots=True)
class Macro:
    """One ``%{...}``: the last ``keep`` parts (0: all), reversed if so, split at ``delimiters``."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escape: bool

    def fill(self, values: Mapping[str, str]) -> str:
        """The text that stands for it (RFC 7208 §7.3)."""
        parts = _split(values[self.letter], self.delimiters)
        if self.reverse:
            parts.reverse()
        text = ".".join(parts[-self.keep :] if self.keep else parts)
        return quote(text, safe="-._~") if self.escape else text


@dataclass(frozen=True, slots=True)
class Template:
    """A macro string, read. ``letters`` are those of its macros, lower case."""

    pieces: tuple[str | Macro, ...]
    letters: frozenset[str]

    def fill(self, values: Mapping[str, str]) -> str:
        """The expanded text, cut to ``MAX_EXPANDED`` characters."""
        return "".join(piece if isinstance(piece, str) else piece.fill(values) for piece in self.pieces)[:MAX_EXPANDED]


def read(text: str, *, explanation: bool = False) -> Template:
    """Raises PermError. ``explanation``: the letters c, r, t are allowed as well (RFC 7208 §7.2)."""
    pieces: list[str | Macro] = []
    allowed = _EXPLANATION_LETTERS if explanation else _DOMAIN_LETTERS
    position = 0
    while position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            raise PermError(f"invalid macro in {text[:80]!r}")
        pieces.append(_literal(match) if match[1] is None else _macro(match, allowed))
        position = match.end()
    return Template(tuple(pieces), frozenset(piece.letter for piece in pieces if isinstance(piece, Macro)))


def read_domain(text: str) -> Template:
    """A domain-spec: a macro string that ends in a top label or in a macro (RFC 7208 §7.1). Raises PermError."""
    template = read(text)
    if not template.pieces:
        raise PermError("empty domain")
    last = template.pieces[-1]
    if isinstance(last, str) and not text.endswith(("%%", "%_", "%-")) and not _ends_in_top_label(last):
        raise PermError(f"{text[:80]!r} does not end in a top-level name")
    return template


def domain_name(text: str) -> str:
    """An expanded domain-spec as a name to look up: left labels go until it fits (RFC 7208 §7.3)."""
    name = text[:-1] if text.endswith(".") else text
    while len(name) > MAX_NAME:
        name = name.partition(".")[2]
    return name


def _literal(match: re.Match[str]) -> str:
    if match[5]:
        return "%"
    if match[6]:
        return " "
    return "%20" if match[7] else match[8]


def _macro(match: re.Match[str], allowed: frozenset[str]) -> Macro:
    letter = match[1]
    if letter.lower() not in allowed or (match[2] and int(match[2]) == 0):
        raise PermError(f"invalid macro {match[0]!r}")
    return Macro(letter.lower(), int(match[2] or 0), bool(match[3]), match[4] or ".", letter.isupper())


def _split(text: str, delimiters: str) -> list[str]:
    if delimiters == ".":
        return text.split(".")
    return re.split(f"[{re.escape(delimiters)}]", text)


def _ends_in_top_label(text: str) -> bool:
    body, dot, label = (text[:-1] if text.endswith(".") else text).rpartition(".")
    del body
    if not dot or not label or label.startswith("-") or label.endswith("-") or label.isdigit():
        return False
    return label.isascii() and label.replace("-", "").isalnum()
