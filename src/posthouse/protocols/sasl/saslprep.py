"""SASLprep (RFC 4013): the form in which SCRAM hashes passwords and compares logins."""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """The prepared text. Raises ValueError when it holds what RFC 4013 prohibits, or is empty after preparation."""
    if text.isascii() and text.isprintable() and text:
        return text
    mapped = "".join(" " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared:
        raise ValueError("empty after SASLprep")
    for char in prepared:
        if stringprep.in_table_a1(char) or any(table(char) for table in _PROHIBITED):
            raise ValueError("a character that SASLprep prohibits")
    _check_bidirectional(prepared)
    return prepared


def _check_bidirectional(text: str) -> None:
    """RFC 3454 §6."""
    if any(stringprep.in_table_d1(char) for char in text) and (
        any(stringprep.in_table_d2(char) for char in text)
        or not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1]))
    ):
        raise ValueError("left-to-right and right-to-left characters are mixed")
