"""Sieve's words: from the text of a script to tokens with their places (RFC 5228 §2.1 to §2.4, §8.1).

One linear pass. Strings come out with their escapes undone and with CRLF line ends; ``${hex:}`` and variables are later
stages' business. Limits on the script, a string, and the number of tokens bound everything behind it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from posthouse.content.sieve.errors import ScriptError

MAX_SCRIPT_BYTES = 1 << 20
MAX_STRING_CHARS = 256 << 10
MAX_TOKENS = 100_000
MAX_NUMBER = (1 << 31) - 1

Kind = Literal["identifier", "tag", "number", "string", "mark", "end"]

_TOKEN = re.compile(
    r"(?P<blank>(?:[ \t\r\n]++|\#[^\n]*+|/\*.*?\*/)++)"
    r"|(?P<multiline>text:[ \t]*+(?:\#[^\n]*+)?\r?\n)"
    r"|(?P<identifier>[A-Za-z_][A-Za-z0-9_]*+)"
    r"|:(?P<tag>[A-Za-z_][A-Za-z0-9_]*+)"
    r"|(?P<number>[0-9]++)(?P<unit>[A-Za-z]?)"
    r'|"(?P<string>(?:[^"\\]|\\.)*+)"'
    r"|(?P<mark>[()\[\]{},;])",
    re.S | re.I,
)
_ESCAPED = re.compile(r"\\(.)", re.S)
_BARE_LF = re.compile(r"\r?\n|\r")
_TEXT_END = re.compile(r"^\.\r?$", re.M)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is the word in lower case without its colon, the string's content, or the mark; ``[start:end]`` its place."""

    kind: Kind
    text: str
    number: int
    start: int
    end: int


class Places:
    """Line and column of offsets in one text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def of(self, offset: int) -> tuple[int, int]:
        """Both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def tokens(text: str, places: Places) -> Iterator[Token]:
    """All tokens, then one of kind ``end``. Raises ScriptError."""
    at, count = 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ScriptError(_complaint(text, at), *places.of(at))
        start, at = at, match.end()
        if match.lastgroup == "blank":
            continue
        count += 1
        if count > MAX_TOKENS:
            raise ScriptError(f"the script has more than {MAX_TOKENS} words", *places.of(start))
        if match["multiline"] is not None:
            content, at = _multiline(text, at, places.of(start))
            token = Token("string", content, 0, start, at)
        else:
            token = _token(match, places)
        if token.kind == "string" and len(token.text) > MAX_STRING_CHARS:
            raise ScriptError(f"the string is longer than {MAX_STRING_CHARS} characters", *places.of(start))
        yield token
    yield Token("end", "", 0, len(text), len(text))


def _token(match: re.Match[str], places: Places) -> Token:
    start, end = match.span()
    if (string := match["string"]) is not None:
        content = _ESCAPED.sub(r"\1", string) if "\\" in string else string
        return Token("string", _BARE_LF.sub("\r\n", content) if "\n" in content else content, 0, start, end)
    if (digits := match["number"]) is not None:
        unit = match["unit"].lower()
        value = int(digits) * _UNITS[unit] if unit in _UNITS and len(digits) <= 10 else MAX_NUMBER + 1
        if value > MAX_NUMBER:
            raise ScriptError(f"{match[0]} is not a number, with K, M or G if wanted, up to {MAX_NUMBER}", *places.of(start))
        return Token("number", match[0], value, start, end)
    if (tag := match["tag"]) is not None:
        return Token("tag", tag.lower(), 0, start, end)
    if (identifier := match["identifier"]) is not None:
        return Token("identifier", identifier.lower(), 0, start, end)
    return Token("mark", match["mark"], 0, start, end)


def _multiline(text: str, at: int, place: tuple[int, int]) -> tuple[str, int]:
    """The content of ``text:`` whose lines begin at ``at``, dots unstuffed, and the offset behind its final dot."""
    end = _TEXT_END.search(text, at)
    if end is None:
        raise ScriptError("a text: does not end with a line of one dot", *place)
    lines = _BARE_LF.sub("\r\n", text[at : end.start()]).split("\r\n")
    return "\r\n".join(line[1:] if line.startswith("..") else line for line in lines), end.end()


def _complaint(text: str, at: int) -> str:
    if text[at] == '"':
        return "a string has no closing quote"
    if text.startswith("/*", at):
        return "a comment has no end"
    return f"the character {text[at]!r} does not belong here"
