"""Word lists (CON-4): named lists of words and phrases with weights, thousands of them found in one pass over a text.

Whole words count, in any letter case, each entry once however often it stands there: the text is cut into words, and the
sets are intersected; phrases are looked for when all their words are there. An entry may end in ``*``. The weight of a text
is the sum of the weights of the entries found. ``corporate`` and ``objectionable`` are mild starters for editing.

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

MAX_ENTRIES = 50_000
MAX_ENTRY_CHARS = 200
DEFAULT_WEIGHT = 10
MAX_WEIGHT = 10_000
_FEW = 64
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

    __slots__ = ("_beginnings", "_lengths", "_phrases", "_words", "entries", "name")

    def __init__(self, name: str, entries: Iterable[Entry]) -> None:
        self.name = name
        self.entries: tuple[Entry, ...] = tuple(entries)
        self._words: dict[bytes, Entry] = {}
        self._phrases: dict[tuple[bytes, ...], Entry] = {}
        self._beginnings: dict[bytes, Entry] = {}
        for entry in self.entries:
            words = tuple(cut(entry.text.encode("utf-8", "replace")))
            if len(words) == 1 and entry.text.endswith("*"):
                self._beginnings[words[0]] = entry
            elif len(words) == 1:
                self._words[words[0]] = entry
            elif words:
                self._phrases[words] = entry
        self._lengths = sorted({len(word) for word in self._beginnings})

    def hits(self, octets: bytes) -> Hits:
        """What of it stands in UTF-8 ``octets``."""
        words = cut(octets)
        there = frozenset(words)
        found = [self._words[word] for word in self._words.keys() & there]
        if self._beginnings:
            found += self._begun(there)
        if self._phrases:
            found += self._spoken(words, there)
        found.sort(key=lambda entry: (-abs(entry.weight), entry.text))
        return Hits(sum(entry.weight for entry in found), tuple(entry.text for entry in found))

    def _begun(self, there: frozenset[bytes]) -> list[Entry]:
        starts = {word[:length] for word in there for length in self._lengths}
        return [self._beginnings[word] for word in self._beginnings.keys() & starts]

    def _spoken(self, words: list[bytes], there: frozenset[bytes]) -> list[Entry]:
        likely = [phrase for phrase in self._phrases if phrase[0] in there and there.issuperset(phrase)]
        if len(likely) <= _FEW:
            text = b" " + b" ".join(words) + b" " if likely else b""
            return [self._phrases[phrase] for phrase in likely if b" " + b" ".join(phrase) + b" " in text]
        found = []
        for length in {len(phrase) for phrase in likely}:
            runs = frozenset(zip(*(words[start:] for start in range(length)), strict=False))
            found += [self._phrases[phrase] for phrase in likely if len(phrase) == length and phrase in runs]
        return found


def cut(octets: bytes) -> list[bytes]:
    """The words of a text, in lower case."""
    if not octets.isascii():
        octets = octets.decode("utf-8", "replace").casefold().encode()
    return octets.translate(_WORDS).split()


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
