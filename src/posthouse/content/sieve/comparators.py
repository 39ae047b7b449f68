"""How texts are compared: i;octet, i;ascii-casemap, i;ascii-numeric, i;unicode-casemap (RFC 4790, RFC 5051; RFC 5228 §2.7.3).

A comparator here is a key function: texts are equal if their keys are, ordered as their keys are, and contain one another
if their keys do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

ASCII_CASEMAP = "i;ascii-casemap"
OCTET = "i;octet"
NUMERIC = "i;ascii-numeric"
UNICODE_CASEMAP = "i;unicode-casemap"
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def ascii_folded(text: str) -> str:
    """ASCII letters in lower case, all else as it is; as long as ``text``."""
    return text.lower() if text.isascii() else text.translate(_UPPER)


def unicode_folded(text: str) -> str:
    """RFC 5051 in spirit: case folded, compatibility forms decomposed."""
    return ascii_folded(text) if text.isascii() else unicodedata.normalize("NFKD", text.casefold())


def same(text: str) -> str:
    """The text itself."""
    return text


FOLDS: dict[str, Callable[[str], str]] = {
    ASCII_CASEMAP: ascii_folded,
    OCTET: same,
    UNICODE_CASEMAP: unicode_folded,
}
COMPARATORS = frozenset((*FOLDS, NUMERIC))
BUILT_IN = frozenset((ASCII_CASEMAP, OCTET))
"""Those that need no ``require`` (RFC 5228 §2.7.3)."""


def number(text: str) -> float:
    """i;ascii-numeric: the leading digits; what has none is positive infinity (RFC 4790 §9.1)."""
    digits = ""
    for char in text[:30]:
        if not "0" <= char <= "9":
            break
        digits += char
    return float(digits) if digits else float("inf")
