"""addheader, deleteheader (RFC 5293), and the header as it is after them for the tests that follow."""

from __future__ import annotations

from posthouse.content.sieve.actions import AddHeader, DeleteHeader
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.fieldvalues import chosen, field_index, is_field_name
from posthouse.content.sieve.message import MAX_FIELD_CHARS
from posthouse.content.sieve.specs import MATCH_TAGS, Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import EditedHeader, Op, Signal, State
from posthouse.formats import headers

PROTECTED = frozenset(("received", "auto-submitted"))
"""What no script may delete, nor add (RFC 5293 §6): loops are found by them."""
MAX_VALUE_CHARS = 2_000


def edited(state: State) -> EditedHeader:
    """The header as it is now, made on the first edit."""
    if state.edited is None:
        message = state.message
        state.edited = EditedHeader(
            [
                (field.name, field.name, headers.decoded_value(message.content, field, MAX_FIELD_CHARS).strip())
                for field in message.root.headers
            ]
        )
    return state.edited


def _name_now(value: str, line: int) -> str:
    if not is_field_name(value):
        raise RunError(f"{value[:100]!r} is not the name of a header field", line)
    return value


def _addheader(bound: Bound, compiler: Compiler) -> Op:
    name, value, line = compiler.text(bound.strings(0)), compiler.text(bound.strings(1)), bound.line
    if name.constant is not None and not is_field_name(name.constant):
        raise bound.error(f"{name.constant[:100]!r} is not the name of a header field", bound.strings(0).place)
    last = "last" in bound.tags

    def run(state: State) -> Signal | None:
        field = _name_now(name.value(state), line)
        text = " ".join(value.value(state).split())[:MAX_VALUE_CHARS]
        if field.lower() in PROTECTED:
            state.hit = f"{field} is protected"
            return None
        state.change(AddHeader(field, text, last), line)
        header = edited(state)
        header.fields.insert(len(header.fields) if last else 0, (field.lower(), field, text))
        return None

    return run


def _deleteheader(bound: Bound, compiler: Compiler) -> Op:
    name, line, index = compiler.text(bound.strings(0)), bound.line, field_index(bound)
    matcher = compiler.matcher(bound, bound.strings(1)) if len(bound.positional) == 2 else None

    def run(state: State) -> Signal | None:
        field = _name_now(name.value(state), line).lower()
        if field in PROTECTED:
            state.hit = f"{field} is protected"
            return None
        header = edited(state)
        places = [place for place, (key, _, _) in enumerate(header.fields) if key == field]
        gone = [
            (number, place)
            for number, place in chosen(list(enumerate(places)), index)
            if matcher is None or matcher.strings(state, (header.fields[place][2],))
        ]
        if gone:
            state.change(DeleteHeader(field, tuple(number for number, _ in gone)), line)
            dropped = {place for _, place in gone}
            header.fields = [each for place, each in enumerate(header.fields) if place not in dropped]
        return None

    return run


COMMANDS = (
    CommandSpec(Spec("addheader", ("string", "string"), (TagSpec("last"),), ("editheader",)), _addheader),
    CommandSpec(
        Spec(
            "deleteheader",
            ("string", "strings"),
            (*MATCH_TAGS, TagSpec("index", "number"), TagSpec("last")),
            ("editheader",),
            optional_last=True,
        ),
        _deleteheader,
    ),
)
