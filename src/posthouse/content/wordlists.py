"""Word lists (CON-4): named lists of words and phrases with weights, thousands of them found in one pass over a text.

Whole words count, in any letter case, each entry once however often it stands there: the text is laid out as words with one
space between them, and walked by one automaton for all words and phrases. An entry may end in ``*``. The weight of a text is
the sum of the weights of the entries found. ``corporate`` and ``objectionable`` are mild starters for editing.

As text a list is one entry a line, its weight before it (10 if none), ``#`` before a comment:

    20 strictly confidential
    acquisition*
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from posthouse.base.errors import BadValue
from posthouse.content.patterns import automaton

MAX_ENTRIES = 50_000
MAX_ENTRY_CHARS = 200
DEFAULT_WEIGHT = 10
MAX_WEIGHT = 10_000
PIECE_BYTES = 65_536
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_LINE = re.compile(r"(?:(-?\d{1,5})\s+)?(\S.*)")


def _word_octet(code: int) -> int:
    """Letters in lower case, digits and what is outside ASCII stay; all else parts words."""
    char = chr(code)
    if code >= 0x80 or char.isalnum():
        return ord(char.lower()) if code < 0x80 else code
    return 0x20


_WORDS = bytes(_word_octet(code) for code in range(256))


@dataclass(frozen=True, slots=True)
class Entry:
    """A word or phrase. ``weight`` may be negative: words that speak for a message."""

    text: str
    weight: int = DEFAULT_WEIGHT


@dataclass(frozen=True, slots=True)
class Hits:
    """``words`` are the entries found, heaviest first."""

    weight: int
    words: tuple[str, ...]


class WordList:
    """A list made ready for matching; made once, used for many texts."""

    __slots__ = ("_automaton", "_ends", "_entries", "_overlap", "entries", "name")

    def __init__(self, name: str, entries: Iterable[Entry]) -> None:
        self.name = name
        self.entries: tuple[Entry, ...] = tuple(entries)
        patterns: dict[tuple[bytes, bool], Entry] = {}
        for entry in self.entries:
            words = cut(entry.text.encode("utf-8", "replace"))
            if words:
                patterns[b" " + b" ".join(words), not (len(words) == 1 and entry.text.endswith("*"))] = entry
        self._entries = list(patterns.values())
        self._ends = [whole for _, whole in patterns]
        octets = [pattern for pattern, _ in patterns]
        self._overlap = max(map(len, octets), default=0) + 1
        self._automaton = automaton(octets)

    def hits(self, octets: bytes) -> Hits:
        """What of it stands in UTF-8 ``octets``."""
        text = _flat(octets)
        search, ends, found = self._automaton.find_matches_as_indexes, self._ends, set()
        for start in range(0, len(text), PIECE_BYTES):
            piece = text[start : start + PIECE_BYTES + self._overlap]
            for index, _, end in search(piece, overlapping=True):
                if not ends[index] or piece[end : end + 1] == b" ":
                    found.add(index)
        entries = sorted((self._entries[index] for index in found), key=lambda entry: (-abs(entry.weight), entry.text))
        return Hits(sum(entry.weight for entry in entries), tuple(entry.text for entry in entries))


def _flat(octets: bytes) -> bytes:
    """The words of a text, in lower case, with one space between them and on both sides."""
    text = b" " + _folded(octets).translate(_WORDS, b"\r") + b" "
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _folded(octets: bytes) -> bytes:
    return octets if octets.isascii() else octets.decode("utf-8", "replace").casefold().encode()


def cut(octets: bytes) -> list[bytes]:
    """The words of a text, in lower case."""
    return _folded(octets).translate(_WORDS).split()


def find(name: str, stored: str | None) -> WordList | None:
    """The list made ready: the stored text, else the starter of this name; None if there is neither. Recent ones are kept."""
    text = STARTERS.get(name) if stored is None else stored
    return None if text is None else _ready(name, text)


@lru_cache(maxsize=64)
def _ready(name: str, text: str) -> WordList:
    return WordList(name, parse(text))


def parse(text: str) -> list[Entry]:
    """The entries of a list as text. Raises BadValue naming the line."""
    found: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.partition("#")[0].strip()
        match = _LINE.fullmatch(bare)
        if match is None:
            continue
        weight, words = int(match[1]) if match[1] else DEFAULT_WEIGHT, match[2].strip()
        if len(words) > MAX_ENTRY_CHARS or abs(weight) > MAX_WEIGHT or not cut(words.encode("utf-8", "replace")):
            raise BadValue(f"line {number}: {words[:50]!r} is not a word or phrase with a weight up to {MAX_WEIGHT}")
        found[words.lower()] = Entry(words, weight)
        if len(found) > MAX_ENTRIES:
            raise BadValue(f"a word list has at most {MAX_ENTRIES} entries")
    return list(found.values())


def render(entries: Sequence[Entry]) -> str:
    """A list as text, which ``parse`` reads back."""
    return "".join(f"{entry.weight} {entry.text}\n" for entry in entries)


def checked_name(name: str) -> str:
    """A list's name in lower case. Raises BadValue."""
    normal = name.strip().lower()
    if not _NAME.fullmatch(normal):
        raise BadValue(f"{name!r} is not a name for a word list: letters, digits, dots and dashes")
    return normal


STARTERS: dict[str, str] = {
    "corporate": """\
# Words that should make somebody look before a message leaves the house.
30 strictly confidential
30 for internal use only
30 company confidential
25 trade secret
25 insider information
20 not for distribution
20 attorney client privilege
20 salary list
20 customer list
15 merger
15 acquisition
15 term sheet
10 confidential
10 proprietary
10 restructuring
10 layoff*
""",
    "objectionable": """\
# Mild starters: extend them in your own languages.
20 adult content
20 xxx
15 porn*
15 nude*
10 casino
10 damn*
10 hell
10 idiot*
10 moron*
5 crap
5 stupid
5 dumb
""",
}
"""What a new site begins with."""
