"""Values of header fields for the tests that look at them: by name, by position, of parts (RFC 5228 §2.4.2, RFC 5260 §6,
RFC 5703 §4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from posthouse.content.sieve.errors import ScriptError
from posthouse.content.sieve.message import walk
from posthouse.content.sieve.specs import Bound
from posthouse.content.sieve.state import State
from posthouse.content.sieve.syntax import Place, Strings
from posthouse.content.sieve.text import Text, constants, values
from posthouse.formats.mime.parameters import content_type, disposition, parameter
from posthouse.model.summary import Part

if TYPE_CHECKING:
    from posthouse.content.sieve.compiler import Compiler

Item = TypeVar("Item")
Values = Callable[[State], Sequence[str]]
_FIELD_NAME = re.compile(r"[!-9;-~]{1,200}")


def field_names(strings: Strings, compiler: Compiler) -> list[Text]:
    """Checked where they are constant. Raises ScriptError."""
    texts = compiler.texts(strings)
    for text in texts:
        if text.constant is not None:
            check_field_name(text.constant, strings.place)
    return texts


def check_field_name(name: str, place: Place) -> None:
    """Raises ScriptError."""
    if not is_field_name(name):
        raise ScriptError(f"{name[:100]!r} is not the name of a header field", place.line, place.column)


def is_field_name(name: str) -> bool:
    """RFC 5322 §2.2: printable ASCII without colon."""
    return _FIELD_NAME.fullmatch(name) is not None


def field_values(bound: Bound, names: Sequence[Text], compiler: Compiler) -> Values:
    """What the fields of these names hold, in the order of the names. Raises ScriptError."""
    index = field_index(bound)
    if "mime" in bound.tags or "anychild" in bound.tags:
        return _part_values(bound, names, index, compiler)
    fixed = constants(names)
    if fixed is None:
        return lambda state: _listed(state, [name.lower() for name in values(names, state)], index)
    lower = [name.lower() for name in fixed]
    if index is None and len(lower) == 1:
        only = lower[0]
        return lambda state: state.fields(only)
    return lambda state: _listed(state, lower, index)


def field_index(bound: Bound) -> int | None:
    """``:index`` and ``:last`` as an index into a sequence, None for all. Raises ScriptError."""
    number = bound.tag_number("index")
    if number is None:
        if "last" in bound.tags:
            raise bound.error(":last needs :index", bound.tag_places["last"])
        return None
    if number < 1:
        raise bound.error(":index counts from 1", bound.tag_places["index"])
    return -number if "last" in bound.tags else number - 1


def chosen(found: Sequence[Item], index: int | None) -> Sequence[Item]:
    """All, or the one at ``index`` if there is one."""
    if index is None:
        return found
    return found[index : index + 1 or None] if -len(found) <= index < len(found) else ()


def _listed(state: State, names: Sequence[str], index: int | None) -> Sequence[str]:
    out: list[str] = []
    for name in names:
        out += chosen(state.fields(name), index)
    return out


def _part_values(bound: Bound, names: Sequence[Text], index: int | None, compiler: Compiler) -> Values:
    if "mime" not in bound.tags:
        raise bound.error(":anychild needs :mime", bound.tag_places["anychild"])
    piece = bound.one_of("type", "subtype", "contenttype", "param")
    wanted = bound.tag_strings("param")
    params = compiler.texts(wanted) if wanted else []
    any_child = "anychild" in bound.tags

    def run(state: State) -> Sequence[str]:
        out: list[str] = []
        given = [name.lower() for name in values(params, state)]
        for part in parts_of(state, any_child=any_child):
            state.step()
            for name in values(names, state):
                found = chosen(_of_part(state, part, name.lower()), index)
                out += found if not piece else _pieces(found, name.lower(), piece, given)
        return out

    return run


def _of_part(state: State, part: Part, name: str) -> Sequence[str]:
    return state.fields(name) if part is state.message.root else state.message.part_fields(part, name)


def parts_of(state: State, *, any_child: bool) -> Iterator[Part]:
    """The current part, the whole message outside of ``foreverypart``; with ``any_child`` all below it too."""
    part = state.part or state.message.root
    return walk(part) if any_child else iter((part,))


def _pieces(found: Sequence[str], name: str, piece: str, params: Sequence[str]) -> Iterator[str]:
    for value in found:
        if name == "content-disposition":
            kind, pairs = disposition(value)
            main, sub = kind, ""
        elif name == "content-type":
            main, sub, pairs = content_type(value)
        else:
            main, sub, pairs = "", "", ()
        if piece == "param":
            yield from (parameter(pairs, wanted) for wanted in params if any(key == wanted for key, _ in pairs))
        else:
            yield {"type": main, "subtype": sub, "contenttype": f"{main}/{sub}" if sub else main}[piece]
