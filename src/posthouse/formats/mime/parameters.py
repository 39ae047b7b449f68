"""Values with parameters: Content-Type, Content-Disposition (RFC 2045 §5.1, RFC 2183, RFC 2231).

Lenient: junk between parameters is skipped, unquoted values may hold anything but a semicolon. RFC 2231 continuations and
charsets are put together and decoded; RFC 2047 words, which do not belong here but are common, are left for the caller.
Linear, and at most ``MAX_PARAMETERS`` within the first ``MAX_CHARS`` are read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from posthouse.formats import charsets

Parameters = tuple[tuple[str, str], ...]

MAX_PARAMETERS = 200
MAX_CHARS = 65_536

_COMMON_LENGTH = 48

_TYPE = re.compile(r"\s*+([A-Za-z0-9!#$&^_.+\-]{1,127})/([A-Za-z0-9!#$&^_.+\-]{1,127})")
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))', re.S)
_ESCAPED = re.compile(r"\\(.)", re.S)
_EXTENDED = re.compile(r"([^*]+)\*(?:(\d{1,4})(\*?))?")


def content_type(value: str) -> tuple[str, str, Parameters]:
    """Type, subtype (lower case) and parameters of an unfolded Content-Type. One that is broken is text/plain (§5.2)."""
    return _common_type(value) if len(value) <= _COMMON_LENGTH else _read_type(value)


def _read_type(value: str) -> tuple[str, str, Parameters]:
    match = _TYPE.match(value)
    if match is None:
        return "text", "plain", ()
    return match[1].lower(), match[2].lower(), parameters(value, match.end())


# A few forms make up most of all mail. What is longer has a boundary or a name in it and will not come again.
_common_type = lru_cache(maxsize=256)(_read_type)


def disposition(value: str) -> tuple[str, Parameters]:
    """The disposition's word in lower case ("" if there is none) and parameters of an unfolded Content-Disposition."""
    word, _, _ = value.partition(";")
    return word.strip().lower()[:100], parameters(value, len(word))


def parameters(value: str, start: int = 0) -> Parameters:
    """The (lower-case name, decoded value) pairs of ``value`` from ``start`` on, in order."""
    pairs: list[tuple[str, str]] = []
    extended = False
    for match in _PARAMETER.finditer(value, start, MAX_CHARS):
        name, quoted, plain = match.groups()
        if quoted is not None:
            text = _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
        else:
            text = plain.partition(" (")[0].strip()
        extended = extended or "*" in name
        pairs.append((name.lower(), text))
        if len(pairs) >= MAX_PARAMETERS:
            break
    return tuple(_merged(pairs) if extended else pairs)


def _merged(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """RFC 2231 §3 and §4: the pieces of each parameter joined; the extended form wins over the plain one."""
    out: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in pairs:
        match = _EXTENDED.fullmatch(name)
        if match is None:
            out.setdefault(name, text)
            continue
        number, percent = (int(match[2]), bool(match[3])) if match[2] else (0, True)
        out.setdefault(match[1], "")
        pieces.setdefault(match[1], {}).setdefault(number, (text, percent))
    out.update({name: _joined(numbered) for name, numbered in pieces.items() if 0 in numbered})
    return list(out.items())


def _joined(pieces: dict[int, tuple[str, bool]]) -> str:
    charset, octets, number = "", bytearray(), 0
    while number in pieces:
        text, percent = pieces[number]
        if percent and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets += unquote_to_bytes(text) if percent else text.encode("utf-8", "replace")
        number += 1
    return charsets.decode(bytes(octets), charset)


def parameter(pairs: Parameters, name: str) -> str:
    """The value of the first parameter of this name (lower case), or ""."""
    for key, value in pairs:
        if key == name:
            return value
    return ""
