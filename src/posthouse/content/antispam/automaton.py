"""Many expressions on one text in one pass: which of them match (RE2's sets). Linear in the text, in bounded memory.

Where an automaton would outgrow its memory, RE2 gives up on that piece of text and says nothing: what is looked for is then not
found (open). Used by rules and facts; knows neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import re2  # type: ignore[import-untyped]

from posthouse.content.patterns import PIECE_BYTES

_MEMORY_BYTES = 8 << 20
_OVERLAP_BYTES = 512


class Automaton:
    """Expressions in RE2's syntax, letter case ignored; callers have checked them."""

    __slots__ = ("_set",)

    def __init__(self, expressions: Sequence[str]) -> None:
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        options.max_mem = _MEMORY_BYTES
        self._set: Any = re2.Set.SearchSet(options)
        for expression in expressions:
            self._set.Add(expression)
        self._set.Compile()

    def matches(self, octets: bytes) -> set[int]:
        """The places of the expressions that match UTF-8 ``octets``, which are looked at in pieces."""
        if len(octets) <= PIECE_BYTES:
            return set(self._set.Match(octets) or ())
        step = PIECE_BYTES - _OVERLAP_BYTES
        found: set[int] = set()
        for start in range(0, len(octets), step):
            found.update(self._set.Match(octets[start : start + PIECE_BYTES]) or ())
        return found


class Named:
    """The same by names."""

    __slots__ = ("_automaton", "_names")

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self._names = list(expressions)
        self._automaton = Automaton(list(expressions.values()))

    def found_in(self, octets: bytes) -> set[str]:
        """The names of the expressions that match UTF-8 ``octets``."""
        return {self._names[at] for at in self._automaton.matches(octets)}
