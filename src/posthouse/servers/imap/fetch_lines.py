"""Many FETCH responses at once: one format for all of them, filled from columns (RFC 9051 §7.5.2).

A column is a template with one place, and its values; where all values are the same the text stands in the format itself. It
knows nothing of messages.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain

Values = Sequence[int] | Sequence[bytes] | Sequence[int | bytes]
Column = tuple[bytes, Values]


def lines(word: bytes, numbers: Sequence[int], columns: Sequence[Column]) -> bytes:
    """``* number WORD (column column)`` for each of the numbers, CRLF included; templates as ``b"UID %d"``."""
    pieces: list[bytes] = []
    filled: list[Values] = [numbers]
    for template, values in columns:
        if _all_the_same(values):
            pieces.append((template % values[0]).replace(b"%", b"%%"))
        else:
            pieces.append(template)
            filled.append(values)
    line = b"* %d " + word + b" (" + b" ".join(pieces) + b")\r\n"
    return (line * len(numbers)) % tuple(chain.from_iterable(zip(*filled, strict=True)))


def _all_the_same(values: Values) -> bool:
    """Cheap where it is not so."""
    if not values or values[0] != values[-1]:
        return False
    return isinstance(values, (list, array)) and values.count(values[0]) == len(values)
