"""Which extensions a script uses, found from what its commands and tests are (not from variables in its strings)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from posthouse.content.sieve.comparators import BUILT_IN
from posthouse.content.sieve.parser import parse
from posthouse.content.sieve.registry import commands as registered_commands
from posthouse.content.sieve.registry import tests as registered_tests
from posthouse.content.sieve.syntax import Command, Strings, Tag, Test


def needed(commands: Iterable[Command]) -> set[str]:
    """The words for ``require``."""
    out: set[str] = set()
    for node in _nodes(commands):
        found = registered_commands().get(node.name) if isinstance(node, Command) else registered_tests().get(node.name)
        if found is None:
            continue
        out.update(found.spec.extension[:1])
        tags = {tag.name: tag for tag in found.spec.tags}
        for index, argument in enumerate(node.arguments):
            if not isinstance(argument, Tag):
                continue
            if argument.name in tags and tags[argument.name].extension:
                out.add(tags[argument.name].extension)
            following = node.arguments[index + 1] if index + 1 < len(node.arguments) else None
            if argument.name == "comparator" and isinstance(following, Strings) and following.values[0] not in BUILT_IN:
                out.add(f"comparator-{following.values[0]}")
    return out


def used(text: str) -> frozenset[str]:
    """The names of all commands of a script. Raises ScriptError."""
    return frozenset(node.name for node in _nodes(parse(text)) if isinstance(node, Command))


def _nodes(commands: Iterable[Command]) -> Iterator[Command | Test]:
    waiting: list[Command | Test] = list(commands)
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.tests
        if isinstance(node, Command):
            waiting += node.block or ()
