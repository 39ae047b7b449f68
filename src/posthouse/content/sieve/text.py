"""Strings of a script with what is to be put into them: variables (RFC 5229 §3) and encoded characters (RFC 5228 §2.4.2.4).

A ``Text`` is made once, at compile time; those without variables cost nothing when run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.state import State

_VARIABLE = re.compile(r"\$\{((?:[A-Za-z_][A-Za-z0-9_]*+\.)?[A-Za-z_][A-Za-z0-9_]*+|[0-9]++)\}")
_ENCODED = re.compile(r"\$\{(hex|unicode):((?:[ \t\r\n]*+[0-9A-Fa-f]++)++[ \t\r\n]*+)\}", re.I)
MAX_MATCH_VARIABLE = 99


class Text:
    """``constant`` is the string itself if there is nothing to put in, else None."""

    __slots__ = ("_pieces", "constant")

    def __init__(self, source: str, *, shared: Collection[str] | None = None) -> None:
        """``shared``: names of variables that mean the global ones; None: there are no variables. Raises ValueError for a
        variable that cannot be."""
        self._pieces: tuple[tuple[str, str | int], ...] = ()
        self.constant: str | None = source
        if shared is not None and "${" in source:
            self._pieces = tuple(_split(source, shared))
            if any(kind != "text" for kind, _ in self._pieces):
                self.constant = None

    def value(self, state: State) -> str:
        """With its variables put in. Raises RunError when it grows too long."""
        if self.constant is not None:
            return self.constant
        text = "".join([_piece(state, kind, what) for kind, what in self._pieces])
        if len(text) > state.limits.text_chars:
            raise RunError(f"a text grew longer than {state.limits.text_chars} characters")
        return text


def _split(source: str, shared: Collection[str]) -> list[tuple[str, str | int]]:
    pieces: list[tuple[str, str | int]] = []
    position = 0
    for match in _VARIABLE.finditer(source):
        pieces.append(("text", source[position : match.start()]))
        position = match.end()
        name = match[1].lower()
        if name.isdecimal():
            if len(name) > 4 or int(name) > MAX_MATCH_VARIABLE:
                raise ValueError(f"there is no match variable ${{{name}}}")
            pieces.append(("match", int(name)))
            continue
        namespace, _, bare = name.rpartition(".")
        if namespace not in ("", "global"):
            raise ValueError(f"there is no namespace {namespace!r}")
        pieces.append(("global" if namespace or bare in shared else "local", bare))
    pieces.append(("text", source[position:]))
    return pieces


def _piece(state: State, kind: str, what: str | int) -> str:
    if isinstance(what, int):
        return state.match[what] if what < len(state.match) else ""
    if kind == "text":
        return what
    if kind == "global":
        return state.globals.get(what, "")
    return state.variables.get(what, "")


def values(texts: Sequence[Text], state: State) -> list[str]:
    """All of them."""
    return [text.value(state) for text in texts]


def constants(texts: Sequence[Text]) -> list[str] | None:
    """All of them if none has variables, else None."""
    found = [text.constant for text in texts]
    return None if None in found else [each for each in found if each is not None]


def decode_characters(source: str) -> str:
    """``${hex:24 24}`` and ``${unicode:263A}`` as what they stand for. Raises ValueError for a code that is no character."""
    return _ENCODED.sub(_decoded, source)


def _decoded(match: re.Match[str]) -> str:
    words = match[2].split()
    if match[1].lower() == "hex":
        if any(len(word) > 2 for word in words):
            return match[0]
        return bytes(int(word, 16) for word in words).decode("utf-8", "replace")
    codes = [int(word, 16) for word in words if len(word) <= 8]
    if len(codes) != len(words) or any(code > 0x10FFFF or 0xD800 <= code <= 0xDFFF for code in codes):
        raise ValueError(f"{match[0]} is not a Unicode character")
    return "".join(map(chr, codes))
