"""Match types: how the keys of a test are held against values (RFC 5228 §2.7.1, RFC 5231, draft-ietf-sieve-regex).

A ``Matcher`` is made at compile time from type, comparator and keys, once and for all if the keys are constant. Many keys
are matched in one pass. ``:matches`` and ``:regex`` go to RE2, so that no value can hang them. Header values come as text,
bodies as ``BodyText``, whose octets are made once for all tests.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from posthouse.content.patterns import AnyOf, AnyWord, Expression, PatternError
from posthouse.content.sieve.comparators import ASCII_CASEMAP, FOLDS, NUMERIC, OCTET, number
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.message import BodyText
from posthouse.content.sieve.state import State
from posthouse.content.sieve.text import Text, constants, values
from posthouse.content.sieve.wildcards import Wildcard

MatchType = Literal["is", "contains", "matches", "regex", "value", "count"]
FEW = 8
RELATIONS: dict[str, Callable[[float | str, float | str], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Manner:
    """``relation`` for value and count. ``captures``: set match variables."""

    match_type: MatchType
    comparator: str = ASCII_CASEMAP
    relation: str = ""
    captures: bool = False


class Matcher(Protocol):
    """Both set ``state.hit`` to the value that matched."""

    def strings(self, state: State, found: Sequence[str]) -> bool:
        """Whether one of the values matches one of the keys."""
        ...

    def bodies(self, state: State, found: Sequence[BodyText]) -> bool:
        """The same for long texts."""
        ...


def make_matcher(manner: Manner, keys: Sequence[Text]) -> Matcher:
    """Raises PatternError for constant keys that are no expressions."""
    fixed = constants(keys)
    return _Changing(manner, keys) if fixed is None else _made(manner, fixed)


def _made(manner: Manner, keys: Sequence[str]) -> Matcher:
    if manner.match_type in ("value", "count"):
        return _Relation(manner, keys)
    if manner.comparator == NUMERIC:
        return _IsNumber(keys)
    if manner.match_type == "is":
        return _Is(manner, keys)
    if manner.match_type == "contains":
        return _Contains(manner, keys)
    if manner.match_type == "matches":
        return _Matches(manner, keys)
    return _Regex(manner, keys)


class _Changing:
    """Keys with variables in them: made when run; the last ones are kept."""

    def __init__(self, manner: Manner, keys: Sequence[Text]) -> None:
        self._manner = manner
        self._keys = keys
        self._last: tuple[list[str], Matcher] | None = None

    def _now(self, state: State) -> Matcher:
        keys = values(self._keys, state)
        if self._last is None or self._last[0] != keys:
            try:
                self._last = keys, _made(self._manner, keys)
            except PatternError as error:
                raise RunError(str(error)) from None
        return self._last[1]

    def strings(self, state: State, found: Sequence[str]) -> bool:
        return self._now(state).strings(state, found)

    def bodies(self, state: State, found: Sequence[BodyText]) -> bool:
        return self._now(state).bodies(state, found)


class _ByText:
    """Bodies are compared as any other text."""

    def strings(self, state: State, found: Sequence[str]) -> bool:
        raise NotImplementedError

    def bodies(self, state: State, found: Sequence[BodyText]) -> bool:
        return self.strings(state, [body.text for body in found])


class _Is(_ByText):
    def __init__(self, manner: Manner, keys: Sequence[str]) -> None:
        self._fold = FOLDS[manner.comparator]
        self._keys = frozenset(map(self._fold, keys))

    def strings(self, state: State, found: Sequence[str]) -> bool:
        keys, fold = self._keys, self._fold
        for value in found:
            if fold(value) in keys:
                state.hit = value
                return True
        return False


class _IsNumber(_ByText):
    """i;ascii-numeric: equal as numbers."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = frozenset(map(number, keys))

    def strings(self, state: State, found: Sequence[str]) -> bool:
        for value in found:
            if number(value) in self._keys:
                state.hit = value
                return True
        return False


class _Contains:
    def __init__(self, manner: Manner, keys: Sequence[str]) -> None:
        self._fold = FOLDS[manner.comparator]
        self._keys = tuple(dict.fromkeys(map(self._fold, keys)))
        self._octets = tuple(key.encode("utf-8", "replace") for key in self._keys)
        self._many = AnyWord(self._keys) if len(self._keys) > FEW else None
        self._comparator = manner.comparator

    def strings(self, state: State, found: Sequence[str]) -> bool:
        fold, keys, many = self._fold, self._keys, self._many
        for value in found:
            folded = fold(value)
            if many.found_in(folded.encode("utf-8", "replace")) if many else any(key in folded for key in keys):
                state.hit = value
                return True
        return False

    def bodies(self, state: State, found: Sequence[BodyText]) -> bool:
        for body in found:
            octets = self._body_octets(body)
            state.step(1 + len(octets) // 4096)
            if self._many.found_in(octets) if self._many else any(key in octets for key in self._octets):
                state.hit = _excerpt(body.text)
                return True
        return False

    def _body_octets(self, body: BodyText) -> bytes:
        if self._comparator == ASCII_CASEMAP:
            return body.folded
        return body.octets if self._comparator == OCTET else self._fold(body.text).encode("utf-8", "replace")


class _Matches(_ByText):
    """``*`` and ``?``; see ``wildcards``."""

    def __init__(self, manner: Manner, keys: Sequence[str]) -> None:
        self._fold = FOLDS[manner.comparator]
        self._captures = manner.captures
        self._patterns = [Wildcard(self._fold(key)) for key in keys]
        many = len(keys) > FEW and not manner.captures
        self._many = AnyOf([pattern.expression for pattern in self._patterns], ignore_case=False) if many else None

    def strings(self, state: State, found: Sequence[str]) -> bool:
        return any(self._one(state, value) for value in found) if not self._captures else self._first(state, found)

    def _one(self, state: State, value: str) -> bool:
        folded = self._fold(value)
        if self._many is not None:
            fits = self._many.found_in(folded.encode("utf-8", "replace"), state)
        else:
            fits = any(pattern.fits(folded, state) for pattern in self._patterns)
        if fits:
            state.hit = value
        return fits

    def _first(self, state: State, found: Sequence[str]) -> bool:
        for value in found:
            folded = self._fold(value)
            for pattern in self._patterns:
                if pattern.fits(folded, state) and (spans := pattern.spans(folded, state)) is not None:
                    state.hit = value
                    state.match = _cut(value, folded, spans)
                    return True
        return False


class BodyExpressions:
    """All expressions that a script holds against bodies: where none of them matches, which most mail is, no test need look."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._any: AnyOf | None = None

    def join(self, matcher: Matcher) -> None:
        """Takes in the expressions of a test."""
        if isinstance(matcher, _Regex) and matcher.ignores_case:
            self._keys += matcher.keys
            matcher.companions = self

    def absent(self, state: State, body: BodyText) -> bool:
        """Whether none of them is in ``body``; asked once for each body."""
        if len(self._keys) <= FEW:
            return False
        known = body.without.get(self)
        if known is None:
            if self._any is None:
                self._any = AnyOf(self._keys, ignore_case=True)
            state.step(1 + len(body.octets) // 1024)
            known = body.without[self] = not self._any.found_in(body.octets, state)
        return known


class _Regex:
    def __init__(self, manner: Manner, keys: Sequence[str]) -> None:
        self.ignores_case = ignore_case = manner.comparator != OCTET
        self.keys = keys
        self.companions: BodyExpressions | None = None
        self._captures = manner.captures
        self._expressions = [Expression(key, ignore_case=ignore_case) for key in keys]
        self._any = AnyOf(keys, ignore_case=ignore_case) if len(keys) > 1 else self._expressions[0]

    def strings(self, state: State, found: Sequence[str]) -> bool:
        return self._search(state, ((value, value.encode("utf-8", "replace")) for value in found))

    def bodies(self, state: State, found: Sequence[BodyText]) -> bool:
        companions = self.companions
        if companions is not None:
            found = [body for body in found if not companions.absent(state, body)]
        state.step(1 + sum(len(body.octets) for body in found) // 1024)
        return self._search(state, ((body.text, body.octets) for body in found))

    def _search(self, state: State, found: Iterable[tuple[str, bytes]]) -> bool:
        for value, octets in found:
            if self._any.found_in(octets, state):
                state.hit = _excerpt(value)
                if self._captures:
                    self._set_match(state, octets)
                return True
        return False

    def _set_match(self, state: State, octets: bytes) -> None:
        for expression in self._expressions:
            spans = expression.spans(octets, state)
            if spans is not None:
                limit = state.limits.variable_chars
                state.match = tuple([octets[start:end].decode("utf-8", "replace")[:limit] for start, end in spans])
                return


class _Relation:
    """``:value`` and ``:count`` (RFC 5231)."""

    def __init__(self, manner: Manner, keys: Sequence[str]) -> None:
        self._counts = manner.match_type == "count"
        self._numeric = self._counts or manner.comparator == NUMERIC
        self._holds = RELATIONS[manner.relation]
        fold = FOLDS.get(manner.comparator, FOLDS[OCTET])
        self._key: Callable[[str], float | str] = number if self._numeric else fold
        self._keys = [self._key(key) for key in keys]

    def strings(self, state: State, found: Sequence[str]) -> bool:
        if self._counts:
            return self._counted(state, len(found))
        for value in found:
            mine = self._key(value)
            if any(self._holds(mine, key) for key in self._keys):
                state.hit = value
                return True
        return False

    def bodies(self, state: State, found: Sequence[BodyText]) -> bool:
        return self._counted(state, len(found)) if self._counts else self.strings(state, [body.text for body in found])

    def _counted(self, state: State, count: int) -> bool:
        state.hit = str(count)
        return any(self._holds(float(count), key) for key in self._keys)


def _excerpt(text: str) -> str:
    """What the trace keeps of a long text."""
    return text if len(text) <= 200 else text[:200] + "..."


def _cut(value: str, folded: str, spans: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """The pieces of ``value`` (of its folded form when that is not as long) at ``spans`` of the folded form's octets."""
    octets = folded.encode("utf-8", "replace")
    original = value.encode("utf-8", "replace")
    source = original if len(original) == len(octets) else octets
    return tuple([source[start:end].decode("utf-8", "replace") for start, end in spans])
