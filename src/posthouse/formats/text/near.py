"""What fuzzy search takes for near (RFC 6203 leaves it to the server), and how near, from 1 to 100.

A text that has the wanted one in it, letter case aside, is at 100. Else every wanted word must come near a word of the text,
accents aside: the same word, a word that begins with it, or one that differs by one letter (one more, one less, another, two
swapped) after the same first letter. The score is the average over the wanted words. Of a long text only the beginning is
taken apart into words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

EXACT, SAME_WORD, BEGINS, ONE_OFF = 100, 90, 70, 50
MIN_PREFIX = 3
MIN_ONE_OFF = 4
MAX_WORDS = 20
MAX_CHARS = 1 << 18

_WORD = re.compile(r"[^\W_]+")


def plain(text: str) -> str:
    """Case-folded, without accents and other marks."""
    text = text.casefold()
    if text.isascii():
        return text
    return "".join([char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)])


@lru_cache(maxsize=8)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, plain, each once, in order. The last texts are remembered: many keys ask for the same."""
    return tuple(dict.fromkeys(_WORD.findall(plain(text))))


def nearness(wanted: str, word: str) -> int:
    """How near a plain word is to a wanted one; 0: not at all."""
    if wanted == word:
        return SAME_WORD
    size = len(wanted)
    if size >= MIN_PREFIX and word.startswith(wanted):
        return BEGINS
    if size >= MIN_ONE_OFF and abs(len(word) - size) <= 1 and word[:1] == wanted[0] and one_off(wanted, word):
        return ONE_OFF
    return 0


def one_off(one: str, other: str) -> bool:
    """Whether two different words differ by one letter, or by two neighbours swapped."""
    if len(one) > len(other):
        one, other = other, one
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    return one[at + 1 :] == other[at + 1 :] or (
        one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    )


def score(text: str, wanted: str) -> int:
    """How near ``text`` comes to ``wanted``, from 1 to 100; 0: it does not."""
    if wanted.casefold() in text.casefold():
        return EXACT
    return words_score(words(text[:MAX_CHARS]), words(wanted))


def words_score(found: Collection[str], wanted: Collection[str]) -> int:
    """The same for words that were taken apart already."""
    if not wanted or len(wanted) > MAX_WORDS:
        return 0
    total = 0
    for one in wanted:
        best = max((nearness(one, word) for word in found if word[:1] == one[0]), default=0)
        if not best:
            return 0
        total += best
    return total // len(wanted)
