"""The syntax tree: what the grammar alone knows of a script (RFC 5228 §8.2). Meaning comes with ``specs`` and ``compiler``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: offsets into the script, line and column from 1."""

    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit applied."""

    value: int
    place: Place


@dataclass(frozen=True, slots=True)
class Strings:
    """One string, or a bracketed list of them (``bracketed``)."""

    values: tuple[str, ...]
    place: Place
    bracketed: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """``:name``, lower case, without the colon."""

    name: str
    place: Place


Argument = Number | Strings | Tag


@dataclass(frozen=True, slots=True)
class Test:
    """A test with the tests inside it; ``parenthesised`` tells a list of one from a single one."""

    __test__ = False

    name: str
    place: Place
    arguments: tuple[Argument, ...] = ()
    tests: tuple[Test, ...] = ()
    parenthesised: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """An action or a control; ``block`` is None when it ends in a semicolon.

    ``place`` ends before the semicolon or the block, ``end`` is the offset behind all of it.
    """

    name: str
    place: Place
    arguments: tuple[Argument, ...] = ()
    tests: tuple[Test, ...] = ()
    parenthesised: bool = False
    block: tuple[Command, ...] | None = None
    end: int = 0
