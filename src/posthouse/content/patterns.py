"""Regular expressions (RE2) and many words at once (Aho-Corasick) on strangers' text: linear in the text, and bounded besides.

RE2 keeps an automaton while it fits into memory, some 1 GB/s; where an expression makes it outgrow that, it falls back to
walking every instruction for every octet. So expressions have a largest size, texts are looked at in pieces, and a
``Deadline`` is asked between pieces: whatever the expression and the text, a call ends within a fraction of a second.
A match that crosses the border of two pieces is found if it is at most ``OVERLAP_BYTES`` long; texts of up to ``PIECE_BYTES``
are looked at whole. Used by Sieve, filters and word lists; knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol

import ahocorasick_rs
import re2  # type: ignore[import-untyped]

MAX_EXPRESSION_CHARS = 2_000
MAX_INSTRUCTIONS = 2_000
PIECE_BYTES = 16_384
OVERLAP_BYTES = 1_024
QUICK_BYTES = 32_768
_MEMORY_BYTES = 1 << 20
_GROUP_MEMORY_BYTES = 8 << 20


class PatternError(ValueError):
    """Not an expression, or too large a one; the text is for its author."""


class Deadline(Protocol):
    """Asked between pieces of work."""

    def check(self) -> None:
        """Raises when the time is up."""
        ...


class Unhurried:
    """No deadline, for callers whose texts are short."""

    def check(self) -> None:
        """Never raises."""


UNHURRIED = Unhurried()


def _options(*, ignore_case: bool, captures: bool, memory_bytes: int = _MEMORY_BYTES) -> Any:
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.never_capture = not captures
    options.log_errors = False
    options.max_mem = memory_bytes
    return options


@lru_cache(maxsize=512)
def _compiled(expression: str, ignore_case: bool, captures: bool) -> Any:  # noqa: FBT001 - a cache's key
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise PatternError(f"the expression is longer than {MAX_EXPRESSION_CHARS} characters")
    try:
        compiled = re2.compile(expression, _options(ignore_case=ignore_case, captures=captures))
    except (re2.error, UnicodeEncodeError) as error:
        raise PatternError(_reason(error)) from None
    if compiled.programsize > MAX_INSTRUCTIONS:
        raise PatternError("the expression is too complex; large repetitions like {500} make it so")
    return compiled


def _reason(error: Exception) -> str:
    cause = error.args[0] if error.args else str(error)
    return cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(cause)


class Expression:
    """One regular expression in RE2's syntax: POSIX extended with Perl's classes, without back references."""

    __slots__ = ("_fast", "_full", "groups")

    def __init__(self, expression: str, *, ignore_case: bool) -> None:
        """Raises PatternError."""
        self._full = _compiled(expression, ignore_case, True)
        self._fast = _compiled(expression, ignore_case, False)
        self.groups: int = self._full.groups

    def found_in(self, octets: bytes, deadline: Deadline = UNHURRIED) -> bool:
        """Whether it matches anywhere in UTF-8 ``octets``. Raises what ``deadline`` raises."""
        return _search(self._fast, octets, deadline) is not None

    def spans(self, octets: bytes, deadline: Deadline = UNHURRIED) -> list[tuple[int, int]] | None:
        """Where the whole match and its groups are in UTF-8 ``octets``, (-1, -1) for a group without part in it; None if it
        does not match. Raises as ``found_in``."""
        match = _search(self._full, octets, deadline)
        return None if match is None else [match.span(number) for number in range(self.groups + 1)]


def _search(compiled: Any, octets: bytes, deadline: Deadline) -> Any:
    size = len(octets)
    if size <= PIECE_BYTES:
        return compiled.search(octets)
    for start in range(0, size, PIECE_BYTES - OVERLAP_BYTES):
        match = compiled.search(octets, start, start + PIECE_BYTES)
        if match is not None or start + PIECE_BYTES >= size:
            return match
        deadline.check()
    return None


class AnyOf:
    """Many expressions in one pass: whether one of them matches, not which."""

    __slots__ = ("_groups",)

    def __init__(self, expressions: Sequence[str], *, ignore_case: bool) -> None:
        """Raises PatternError. Expressions that would make one automaton too large are spread over several."""
        self._groups = list(_grouped([f"(?:{expression})" for expression in expressions], ignore_case=ignore_case))

    def found_in(self, octets: bytes, deadline: Deadline = UNHURRIED) -> bool:
        """Whether one matches anywhere in UTF-8 ``octets``. Raises what ``deadline`` raises."""
        return any(_search(group, octets, deadline) is not None for group in self._groups)


def _grouped(expressions: list[str], *, ignore_case: bool) -> Iterator[Any]:
    if not expressions:
        return
    options = _options(ignore_case=ignore_case, captures=False, memory_bytes=_GROUP_MEMORY_BYTES)
    try:
        compiled = re2.compile("|".join(expressions), options)
        small = compiled.programsize <= MAX_INSTRUCTIONS
    except re2.error:
        small = False
    if small or len(expressions) == 1:
        yield compiled if small else _compiled(expressions[0], ignore_case, False)
        return
    middle = len(expressions) // 2
    yield from _grouped(expressions[:middle], ignore_case=ignore_case)
    yield from _grouped(expressions[middle:], ignore_case=ignore_case)


def automaton(octets: Sequence[bytes]) -> ahocorasick_rs.BytesAhoCorasick:
    """Aho and Corasick's for these texts; the quickest kind as long as it stays small."""
    small = sum(map(len, octets)) <= QUICK_BYTES
    return ahocorasick_rs.BytesAhoCorasick(octets, implementation=ahocorasick_rs.Implementation.DFA if small else None)


class AnyWord:
    """Thousands of literal texts in one pass: whether one of them is contained. By Aho and Corasick's automaton, whose time
    depends on the text's length alone; RE2 takes seconds where a text comes close to many of ten thousand words."""

    __slots__ = ("_always", "_automaton", "_overlap", "_piece")

    def __init__(self, words: Iterable[str]) -> None:
        """Words match as they are, octet by octet; callers fold case on both sides. "" is contained in everything."""
        octets = list(dict.fromkeys(word.encode("utf-8", "replace") for word in words))
        self._always = b"" in octets
        longest = max(map(len, octets), default=1)
        self._overlap = max(longest - 1, 0)
        self._piece = max(PIECE_BYTES, 4 * longest)
        self._automaton = automaton([] if self._always else octets)

    def found_in(self, octets: bytes) -> bool:
        """Whether one of them is in UTF-8 ``octets``. In pieces, so that a text full of them gives no endless list."""
        if self._always:
            return True
        search, piece = self._automaton.find_matches_as_indexes, self._piece
        if len(octets) <= piece:
            return bool(search(octets))
        step = piece - self._overlap
        return any(search(octets[start : start + piece]) for start in range(0, len(octets), step))
