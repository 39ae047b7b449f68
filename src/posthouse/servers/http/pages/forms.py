"""From an operation's signature to a form, and from what was filled in to its arguments. No I/O.

Empty fields are not given; ``""``, as in the shell, is an empty text. An argument that takes many has a line for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.admin.arguments import Argument
from posthouse.admin.operation import Operation
from posthouse.base.settings import HIDDEN

Kind = Literal["text", "number", "password", "area", "lines", "choice", "switch", "flag", "email"]
_EMPTY = '""'
_KINDS: Mapping[str, Kind] = {
    "integer": "number",
    "number": "number",
    "secret": "password",
    "document": "area",
    "choice": "choice",
    "switch": "switch",
    "flag": "flag",
    "address": "email",
}
_HINTS = {
    "moment": "as 2h or 3d (ago), or 2026-11-24T10:30",
    "amount": "as 500M or 2G, none, or inherit",
    "domain": "a domain",
    "address": "an address",
}


class BadField(ValueError):
    """A field that holds what its argument cannot be."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``value`` is what it is filled with: a text, or for a flag whether it is set."""

    name: str
    label: str
    kind: Kind
    help: str
    hint: str
    required: bool
    choices: tuple[str, ...]
    value: str


def fields_of(operation: Operation, filled: Mapping[str, str]) -> list[Field]:
    """The form's fields, filled with ``filled`` or the defaults; passwords stay empty."""
    return [_field(argument, filled.get(argument.name)) for argument in operation.arguments]


def _field(argument: Argument, filled: str | None) -> Field:
    kind: Kind = "lines" if argument.rest else _KINDS.get(argument.kind, "text")
    default = argument.default if isinstance(argument.default, (str, int, float)) else ""
    shown = "" if kind in ("password", "lines", "flag") or isinstance(default, bool) else str(default)
    hint = _HINTS.get(argument.kind, "")
    if kind == "lines":
        hint = "one a line" + (f": {hint}" if hint else "")
    elif kind == "text" and not hint and not argument.required:
        hint = f"{_EMPTY} for an empty text"
    return Field(
        name=argument.name,
        label=argument.word.replace("-", " "),
        kind=kind,
        help=argument.help,
        hint=hint,
        required=argument.required,
        choices=argument.choices,
        value="" if kind == "password" else shown if filled is None else filled,
    )


def arguments_of(operation: Operation, filled: Mapping[str, str]) -> dict[str, object]:
    """The arguments that the fields mean, by name in JSON's types. Raises BadField."""
    given: dict[str, object] = {}
    for argument in operation.arguments:
        text = filled.get(argument.name, "")
        if argument.kind not in ("document", "secret"):
            text = text.strip()
        if argument.rest:
            lines = [line.strip() for line in text.splitlines()]
            given[argument.name] = [_value(argument, line) for line in lines if line]
        elif text:
            given[argument.name] = _value(argument, text)
    return {name: value for name, value in given.items() if value != []}


def _value(argument: Argument, text: str) -> object:
    if argument.kind in ("integer", "number"):
        try:
            return int(text) if argument.kind == "integer" else float(text)
        except ValueError:
            raise BadField(f"{argument.word}: {text!r} is no number") from None
    if argument.kind in ("flag", "switch"):
        return text == "on"
    if argument.kind == "document":
        return text.replace("\r\n", "\n")
    return "" if text == _EMPTY and argument.kind == "text" else text


def tells_of(looking: Operation, changing: Operation, filled: Mapping[str, str]) -> bool:
    """Whether ``looking`` shows the very thing that ``changing`` changes, and needs no more than what is filled in."""
    if looking.verb not in ("show", "get") or not looking.reads or looking.audited or not looking.arguments:
        return False
    first, *others = looking.arguments
    same = first.name == changing.arguments[0].name and not first.option and not first.rest
    return same and first.name in filled and not any(each.required for each in others)


def filled_from(operation: Operation, told: object) -> dict[str, str]:
    """The fields that hold just what was told under their names. Amounts and times are told in other words than they are set
    in."""
    found: dict[str, str] = {}
    for argument in operation.arguments if isinstance(told, dict) else ():
        value = told.get(argument.name) if isinstance(told, dict) else None
        if argument.kind == "switch" and isinstance(value, bool):
            found[argument.name] = "on" if value else "off"
        elif argument.kind in ("text", "choice") and isinstance(value, str) and HIDDEN not in value:
            found[argument.name] = value
    return found


def shown(operation: Operation, filled: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """What was filled in, for a question whether it is meant."""
    return [
        (argument.word.replace("-", " "), HIDDEN if argument.kind == "secret" else filled[argument.name])
        for argument in operation.arguments
        if filled.get(argument.name, "").strip()
    ]
