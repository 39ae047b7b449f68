"""Words of Sieve, written: strings, string lists, numbers."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.content.sieve.syntax import Argument, Number, Strings, Tag

LONGEST_LINE = 100


def quoted(text: str) -> str:
    """A quoted string; line ends stay as they are."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def string_list(values: Sequence[str]) -> str:
    """One string, or a bracketed list; a long one has a line for each."""
    if len(values) == 1:
        return quoted(values[0])
    line = "[" + ", ".join(quoted(value) for value in values) + "]"
    if len(line) <= LONGEST_LINE:
        return line
    return "[\n        " + ",\n        ".join(quoted(value) for value in values) + "\n    ]"


def plain(text: str) -> str:
    """A string of a script as people have it: ``\\n`` between lines."""
    return text.replace("\r\n", "\n")


def tags_of(arguments: Sequence[Argument]) -> list[str]:
    """The names of the tags, in order."""
    return [argument.name for argument in arguments if isinstance(argument, Tag)]


def strings_of(arguments: Sequence[Argument]) -> list[tuple[str, ...]]:
    """The values of all strings and string lists, in order."""
    return [tuple(plain(value) for value in argument.values) for argument in arguments if isinstance(argument, Strings)]


def numbers_of(arguments: Sequence[Argument]) -> list[int]:
    """All numbers, in order."""
    return [argument.value for argument in arguments if isinstance(argument, Number)]
