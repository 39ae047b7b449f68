"""What each command and test takes: tags, positional arguments, tests, a block; and the check of a tree against it.

A ``Spec`` is written beside the code that carries it out (``commands``, ``tests``). ``bind`` turns the arguments of one
command or test into a ``Bound``, or says with line and column what does not fit (RFC 5228 §2.6, §2.10.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from posthouse.content.sieve.errors import ScriptError
from posthouse.content.sieve.state import Op, TestOp
from posthouse.content.sieve.syntax import Argument, Command, Number, Place, Strings, Tag, Test

if TYPE_CHECKING:
    from posthouse.content.sieve.compiler import Compiler

ValueKind = Literal["number", "string", "strings"]
_WORDS: dict[ValueKind, str] = {"number": "a number", "string": "a string", "strings": "a string list"}


@dataclass(frozen=True, slots=True)
class TagSpec:
    """``value``: what must follow it. ``extension``: what must be required for it. Of one ``group`` only one may be given."""

    name: str
    value: ValueKind | None = None
    extension: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """``positional`` in order; with ``optional_first`` the first may be left out, with ``optional_last`` the last.

    ``inner``: how many tests it takes. ``block``: a command with a block. ``extension``: one of these must be required."""

    name: str
    positional: tuple[ValueKind, ...] = ()
    tags: tuple[TagSpec, ...] = ()
    extension: tuple[str, ...] = ()
    inner: Literal["none", "one", "list"] = "none"
    block: bool = False
    optional_first: bool = False
    optional_last: bool = False


@dataclass(frozen=True, slots=True)
class TestSpec:
    """A test and how it is made."""

    __test__ = False

    spec: Spec
    make: Callable[[Bound, Compiler], TestOp]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command and how it is made."""

    spec: Spec
    make: Callable[[Bound, Compiler], Op]


@dataclass(slots=True)
class Bound:
    """The arguments of one command or test, checked. ``tags`` maps the tags that were given to their values."""

    name: str
    place: Place
    positional: list[Argument]
    tags: dict[str, Argument | None]
    tests: tuple[Test, ...] = ()
    block: tuple[Command, ...] = ()
    tag_places: dict[str, Place] = field(default_factory=dict)

    @property
    def line(self) -> int:
        return self.place.line

    def number(self, index: int) -> int:
        """A positional number."""
        found = self.positional[index]
        assert isinstance(found, Number)
        return found.value

    def strings(self, index: int) -> Strings:
        """A positional string or string list."""
        found = self.positional[index]
        assert isinstance(found, Strings)
        return found

    def tag_strings(self, name: str) -> Strings | None:
        """A tag's string or string list; None if the tag was not given."""
        found = self.tags.get(name)
        assert found is None or isinstance(found, Strings)
        return found

    def tag_number(self, name: str) -> int | None:
        """A tag's number; None if the tag was not given."""
        found = self.tags.get(name)
        assert found is None or isinstance(found, Number)
        return None if found is None else found.value

    def one_of(self, *names: str) -> str:
        """Which of these tags was given, "" if none."""
        return next((name for name in names if name in self.tags), "")

    def error(self, problem: str, place: Place | None = None) -> ScriptError:
        """An error at this place."""
        at = place or self.place
        return ScriptError(problem, at.line, at.column)


MATCH_TAGS = (
    TagSpec("is", group="match"),
    TagSpec("contains", group="match"),
    TagSpec("matches", group="match"),
    TagSpec("regex", extension="regex", group="match"),
    TagSpec("value", "string", "relational", "match"),
    TagSpec("count", "string", "relational", "match"),
    TagSpec("comparator", "string"),
)
INDEX_TAGS = (TagSpec("index", "number", "index"), TagSpec("last", extension="index"))
MIME_TAGS = (
    TagSpec("mime", extension="mime"),
    TagSpec("anychild", extension="mime"),
    TagSpec("type", extension="mime", group="mime part"),
    TagSpec("subtype", extension="mime", group="mime part"),
    TagSpec("contenttype", extension="mime", group="mime part"),
    TagSpec("param", "strings", "mime", "mime part"),
)
ADDRESS_PART_TAGS = (
    TagSpec("all", group="address part"),
    TagSpec("localpart", group="address part"),
    TagSpec("domain", group="address part"),
    TagSpec("user", extension="subaddress", group="address part"),
    TagSpec("detail", extension="subaddress", group="address part"),
)


def bind(spec: Spec, node: Command | Test, required: Callable[[str], bool]) -> Bound:
    """Raises ScriptError."""
    bound = Bound(node.name, node.place, [], {}, node.tests, getattr(node, "block", None) or ())
    groups: dict[str, str] = {}
    known = {tag.name: tag for tag in spec.tags}
    queue = list(node.arguments)
    while queue:
        argument = queue.pop(0)
        if isinstance(argument, Tag):
            tag = known.get(argument.name)
            if tag is None or (tag.extension and not required(tag.extension)):
                needs = f'; it needs require "{tag.extension}"' if tag else ""
                raise bound.error(f"{node.name} has no argument :{argument.name}{needs}", argument.place)
            _claim(bound, tag, argument, groups)
            bound.tags[tag.name] = _tag_value(bound, tag, queue) if tag.value else None
        else:
            bound.positional.append(argument)
    _check_positional(spec, bound)
    _check_inner(spec, bound, node)
    return bound


def _claim(bound: Bound, tag: TagSpec, argument: Tag, groups: dict[str, str]) -> None:
    if tag.name in bound.tags:
        raise bound.error(f":{tag.name} is given twice", argument.place)
    if tag.group and tag.group in groups:
        raise bound.error(f":{tag.name} does not go with :{groups[tag.group]}", argument.place)
    if tag.group:
        groups[tag.group] = tag.name
    bound.tag_places[tag.name] = argument.place


def _tag_value(bound: Bound, tag: TagSpec, queue: list[Argument]) -> Argument:
    assert tag.value is not None
    if not queue or not _is(queue[0], tag.value):
        raise bound.error(f":{tag.name} needs {_WORDS[tag.value]}", queue[0].place if queue else bound.tag_places[tag.name])
    return queue.pop(0)


def _is(argument: Argument, kind: ValueKind) -> bool:
    if kind == "number":
        return isinstance(argument, Number)
    return isinstance(argument, Strings) and (kind == "strings" or not argument.bracketed)


def _check_positional(spec: Spec, bound: Bound) -> None:
    wanted: Sequence[ValueKind] = spec.positional
    if len(bound.positional) == len(wanted) - 1:
        if spec.optional_first:
            wanted = wanted[1:]
        elif spec.optional_last:
            wanted = wanted[:-1]
    for argument, kind in zip(bound.positional, wanted, strict=False):
        if not _is(argument, kind):
            raise bound.error(f"{bound.name} takes {_WORDS[kind]} here", argument.place)
    if len(bound.positional) < len(wanted):
        raise bound.error(f"{bound.name} needs {_WORDS[wanted[len(bound.positional)]]}")
    if len(bound.positional) > len(wanted):
        raise bound.error(f"{bound.name} takes no further argument", bound.positional[len(wanted)].place)


def _check_inner(spec: Spec, bound: Bound, node: Command | Test) -> None:
    if spec.inner == "none" and node.tests:
        raise bound.error(f"{bound.name} takes no test", node.tests[0].place)
    if spec.inner == "one" and (len(node.tests) != 1 or node.parenthesised):
        raise bound.error(f"{bound.name} takes one test")
    if spec.inner == "list" and not node.parenthesised:
        raise bound.error(f"{bound.name} takes a list of tests in parentheses")
    if isinstance(node, Command):
        if spec.block and node.block is None:
            raise bound.error(f"{bound.name} needs a block")
        if not spec.block and node.block is not None:
            raise bound.error(f"{bound.name} takes no block")
