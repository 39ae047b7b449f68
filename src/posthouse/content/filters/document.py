"""A whole script as filters and what else stands in it, and back.

    require ["fileinto"];

    # filter "Newsletters"
    if anyof (
        header :contains "Subject" "news",
        address :is "From" "list@example.com"
    ) {
        fileinto "News";
        stop;
    }

A filter that is off has ``off`` in its comment and ``false`` before its conditions. What is not written exactly so is kept as
``Foreign``, octet by octet. ``require`` is made anew from what the script uses.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posthouse.base.errors import BadValue
from posthouse.content.filters import actions, conditions
from posthouse.content.filters.model import Condition, Filter, Group
from posthouse.content.filters.writing import LONGEST_LINE, quoted
from posthouse.content.sieve.needs import needed
from posthouse.content.sieve.parser import parse
from posthouse.content.sieve.syntax import Command, Strings, Test

MAX_NAME_CHARS = 200
_HEAD = re.compile(r'\s*# filter ("(?:[^"\\\n]|\\.)*")( off)?\n')
_MARK = "\n# filter "
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A piece of a script that is no filter in our form. It stays as it is."""

    text: str


Piece = Filter | Foreign


@dataclass(frozen=True, slots=True)
class Document:
    """``pieces`` in order. ``requires`` are the extensions that the script named, for the sake of foreign pieces."""

    pieces: tuple[Piece, ...] = ()
    requires: tuple[str, ...] = ()

    @property
    def filters(self) -> list[Filter]:
        """The filters alone, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Filter)]


def write(document: Document) -> str:
    """The script. Raises BadValue for a filter that cannot be written, ScriptError for foreign pieces that do not parse."""
    body = "\n\n".join(piece.text if isinstance(piece, Foreign) else write_filter(piece) for piece in document.pieces)
    needs = needed(parse(body))
    if any(isinstance(piece, Foreign) for piece in document.pieces):
        needs |= set(document.requires)
    head = _require(sorted(needs)) if needs else ""
    return head + body + ("\n" if body else "")


def _require(names: Sequence[str]) -> str:
    words = ", ".join(quoted(name) for name in names)
    if len(names) == 1:
        return f"require {words};\n\n"
    return f"require [{textwrap.fill(words, LONGEST_LINE, subsequent_indent='    ', break_on_hyphens=False)}];\n\n"


def write_filter(one: Filter) -> str:
    """One filter, its comment first. Raises BadValue."""
    name = one.name.strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise BadValue(f"a filter has a name of up to {MAX_NAME_CHARS} characters")
    commands = [actions.to_sieve(action) for action in one.actions] + (["stop;"] if one.stop else [])
    if not commands:
        raise BadValue(f"the filter {name!r} does nothing")
    test = _top(one.conditions, on=one.on)
    body = "".join(f"    {command}\n" for command in commands)
    return f"# filter {quoted(name)}{'' if one.on else ' off'}\nif {test} {{\n{body}}}"


def _top(group: Group, *, on: bool) -> str:
    tests = [_nested(each) for each in group.conditions]
    if not on:
        return f"allof (\n    false,\n    {_inline(group)}\n)"
    if len(tests) > 1:
        word = {"all": "allof", "any": "anyof", "none": "not anyof"}[group.mode]
        return f"{word} (\n    " + ",\n    ".join(tests) + "\n)"
    return _inline(group)


def _nested(each: Condition | Group) -> str:
    return conditions.to_sieve(each) if isinstance(each, Condition) else _group(each)


def _inline(group: Group) -> str:
    """A single plain condition without a list around it."""
    if group.mode == "all" and len(group.conditions) == 1 and isinstance(group.conditions[0], Condition):
        return conditions.to_sieve(group.conditions[0])
    return _group(group)


def _group(group: Group) -> str:
    if not group.conditions:
        return "true" if group.mode != "any" else "false"
    word = {"all": "allof", "any": "anyof", "none": "not anyof"}[group.mode]
    return f"{word} ({', '.join(_nested(each) for each in group.conditions)})"


# Reading


def read(text: str) -> Document:
    """The pieces of a script. Raises ScriptError when it does not parse."""
    text = text.replace("\r\n", "\n")
    reader = _Reader()
    requires: list[str] = []
    start = 0
    for command, end in _statements(parse(text)):
        if command.name == "require":
            requires += _names(command)
            reader.foreign(text[start : command.place.start])
        else:
            head = max(text.rfind(_MARK, start, command.place.start), start)
            found = _filter(text[head:end], command, alone=end == command.end)
            reader.foreign(text[start : head if found else end])
            if found is not None:
                reader.found(found)
        start = end
    reader.foreign(text[start:])
    return Document(reader.done(), tuple(dict.fromkeys(requires)))


class _Reader:
    """Collects pieces; foreign text between two filters is one piece, as it stands."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._foreign = ""

    def foreign(self, text: str) -> None:
        self._foreign += text

    def found(self, one: Filter) -> None:
        self._end_foreign()
        self._pieces.append(one)

    def done(self) -> tuple[Piece, ...]:
        self._end_foreign()
        return tuple(self._pieces)

    def _end_foreign(self) -> None:
        text = self._foreign.strip("\n").rstrip()
        if text:
            self._pieces.append(Foreign(text))
        self._foreign = ""


def _statements(commands: Sequence[Command]) -> Iterable[tuple[Command, int]]:
    """Each command with the offset behind it and its ``elsif`` and ``else``."""
    for index, command in enumerate(commands):
        if command.name in ("elsif", "else"):
            continue
        last = index
        while last + 1 < len(commands) and commands[last + 1].name in ("elsif", "else"):
            last += 1
        yield command, commands[last].end


def _names(command: Command) -> list[str]:
    return [value for argument in command.arguments if isinstance(argument, Strings) for value in argument.values]


def _filter(text: str, command: Command, *, alone: bool) -> Filter | None:
    head = _HEAD.match(text)
    if head is None or not alone or command.name != "if" or command.block is None or len(command.tests) != 1:
        return None
    on = head[2] is None
    group = _conditions(command.tests[0], on=on)
    block = list(command.block)
    stop = bool(block) and block[-1].name == "stop"
    found = [actions.from_sieve(each) for each in (block[:-1] if stop else block)]
    if group is None or any(each is None for each in found):
        return None
    name = _ESCAPED.sub(r"\1", head[1][1:-1])
    one = Filter(name, group, tuple(each for each in found if each is not None), stop, on)
    try:
        return one if write_filter(one) == text.strip() else None
    except BadValue:
        return None


def _conditions(test: Test, *, on: bool) -> Group | None:
    if not on:
        if test.name != "allof" or len(test.tests) != 2:
            return None
        test = test.tests[1]
    if test.name in ("true", "false"):
        return Group("all" if test.name == "true" else "any")
    found = _either(test)
    return Group("all", (found,)) if isinstance(found, Condition) else found


def _either(test: Test) -> Condition | Group | None:
    """A group, or a condition; None for what is neither."""
    mode = {"allof": "all", "anyof": "any"}.get(test.name, "")
    inner = test
    if test.name == "not" and test.tests and test.tests[0].name == "anyof":
        mode, inner = "none", test.tests[0]
    if not mode:
        return conditions.from_sieve(test)
    found = [_either(each) for each in inner.tests]
    if any(each is None for each in found):
        return None
    return Group(mode, tuple(each for each in found if each is not None))  # type: ignore[arg-type]
