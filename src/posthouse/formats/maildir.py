"""Maildir's names: of messages with their flags, of keywords, and of folders in both layouts.

``1790000000.M1P2.host,S=1234:2,FSa`` holds flags after ``:2,``; small letters are keywords by ``dovecot-keywords``.
Maildir++ keeps ``Work/2026`` in ``.Work.2026``, the other layout (Dovecot's LAYOUT=fs) in ``Work/2026``; both spell names in
modified UTF-7. Dots inside a level are written ``\\2e``, as Dovecot's listescape does. Only names and texts; no file is touched
here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from posthouse.model import utf7

SUBFOLDERS = ("cur", "new", "tmp")
_LETTERS = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}
_NAMES = {name.lower(): letter for letter, name in _LETTERS.items()}
_ESCAPED = re.compile(r"\\([0-9a-f]{2})")
_TO_ESCAPE = re.compile(r"[./\x00-\x1f\x7f]")
KEYWORD_LETTERS = 26


def split_name(name: str) -> tuple[str, str]:
    """A file's name as what never changes (its key) and its flags' letters: ``("1790000000.M1P2.host,S=1234", "FSa")``."""
    for mark in (":2,", ";2,", "!2,"):
        base, found, letters = name.rpartition(mark)
        if found:
            return base, letters
    return name, ""


def flags_of(letters: str, keywords: Sequence[str]) -> tuple[str, ...]:
    """The flags that letters mean; small letters without a keyword in the list are left out."""
    out = [_LETTERS[letter] for letter in letters if letter in _LETTERS]
    for letter in letters:
        place = ord(letter) - ord("a")
        if 0 <= place < min(len(keywords), KEYWORD_LETTERS) and keywords[place]:
            out.append(keywords[place])
    return tuple(dict.fromkeys(out))


def letters_of(flags: Iterable[str], keywords: list[str]) -> str:
    """The letters of flags, in order. Keywords that are new are added to the list; what the list has no room for is lost."""
    out = set()
    places = {keyword.lower(): place for place, keyword in enumerate(keywords)}
    for flag in flags:
        key = flag.lower()
        if key in _NAMES:
            out.add(_NAMES[key])
        elif not flag.startswith("\\"):
            if key not in places and len(keywords) < KEYWORD_LETTERS:
                places[key] = len(keywords)
                keywords.append(flag)
            if key in places:
                out.add(chr(ord("a") + places[key]))
    return "".join(sorted(out))


def parse_keywords(text: str) -> list[str]:
    """The keywords of a ``dovecot-keywords`` file by their places, "" where there is none."""
    out = [""] * KEYWORD_LETTERS
    for line in text.splitlines()[:1000]:
        place, _, keyword = line.strip().partition(" ")
        if place.isascii() and place.isdigit() and len(place) < 3 and int(place) < KEYWORD_LETTERS:
            out[int(place)] = keyword.strip()
    while out and not out[-1]:
        out.pop()
    return out


def render_keywords(keywords: Sequence[str]) -> str:
    """A ``dovecot-keywords`` file."""
    return "".join(f"{place} {keyword}\n" for place, keyword in enumerate(keywords) if keyword)


def parse_subscriptions(text: str, separator: str) -> list[tuple[str, ...]]:
    """The folders that a ``subscriptions`` file names, by levels; both of Dovecot's versions of it."""
    lines = text.splitlines()[:100_000]
    split = separator
    if lines and lines[0].startswith("V\t"):
        lines, split = lines[1:], "\t"
    return [tuple(_level(level) for level in line.split(split)) for line in lines if line]


def folder_levels(name: str) -> tuple[str, ...]:
    """The levels of a Maildir++ folder's name, ``.Work.2026`` or ``Work.2026``."""
    return tuple(_level(level) for level in name.removeprefix(".").split("."))


def folder_name(levels: Sequence[str]) -> str:
    """The Maildir++ folder of these levels, with its dot."""
    return "." + ".".join(path_name(level) for level in levels)


def path_level(name: str) -> str:
    """The level that a folder of the other layout stands for."""
    return _level(name)


def path_name(level: str) -> str:
    """The folder's name for one level, safe as a part of a path in both layouts."""
    escaped = _TO_ESCAPE.sub(lambda match: f"\\{ord(match[0]):02x}", level)
    return utf7.encode(escaped).decode("ascii")


def _level(name: str) -> str:
    try:
        text = utf7.decode(name.encode("utf-8", "surrogateescape"))
    except (ValueError, UnicodeError):
        text = name.encode("utf-8", "surrogateescape").decode("latin-1")
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
