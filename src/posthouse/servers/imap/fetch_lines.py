"""Many FETCH responses at once: one format for all of them, filled from columns (RFC 9051 §7.5.2).

A column is a template and the values for each of its places; where a column's only values are all the same, the text stands in
the format itself. It knows nothing of messages.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain

Values = Sequence[int] | Sequence[bytes] | Sequence[int | bytes]
Column = tuple[bytes, Sequence[Values]]


def lines(word: bytes, numbers: Sequence[int], columns: Sequence[Column]) -> bytes:
    """``* number WORD (column column)`` for each of the numbers, CRLF included; templates as ``b"UID %d"``."""
    pieces: list[bytes] = []
    filled: list[Values] = [numbers]
    for template, values in columns:
        if len(values) == 1 and _all_the_same(values[0]):
            pieces.append((template % values[0][0]).replace(b"%", b"%%"))
        else:
            pieces.append(template)
            filled += values
    line = b"* %d " + word + b" (" + b" ".join(pieces) + b")\r\n"
    return (line * len(numbers)) % tuple(chain.from_iterable(zip(*filled, strict=True)))


def literals(label: bytes, octets: Sequence[bytes]) -> Column:
    """The column of ``label {n}`` and ``octets``."""
    return label.replace(b"%", b"%%") + b" {%d}\r\n%b", (list(map(len, octets)), octets)


def _all_the_same(values: Values) -> bool:
    """Cheap where it is not so."""
    if not values or values[0] != values[-1]:
        return False
    return isinstance(values, (list, array)) and values.count(values[0]) == len(values)
