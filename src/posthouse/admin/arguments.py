"""Typed arguments: from a function's signature to words, options, JSON schema, and help (ADM-1).

``arguments_of`` reads a signature once; ``parse_words`` turns a command line or a protocol line into values by it. The
order of words is the order of positional parameters; keyword-only parameters are ``--options`` in the shell, and may also
follow as further words in the protocol (``USER ADD name password "full name"``), where "" stands for the default.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NewType

from posthouse.base.errors import BadValue
from posthouse.model.address import Address, normal_domain

Kind = Literal[
    "text", "integer", "number", "flag", "switch", "address", "domain", "secret", "document", "choice", "moment", "amount"
]

DomainName = NewType("DomainName", str)
"""A domain in lower case and A-label form."""
Moment = NewType("Moment", float)
"""Seconds since 1970; written as ``2h`` (that long ago) or as an ISO date and time (UTC unless it says otherwise)."""
Amount = NewType("Amount", int)
"""A number that may have a unit (``500M``, ``2GiB``); ``none`` is 0, ``inherit`` is -1: what stands elsewhere holds."""
Document = NewType("Document", str)
"""A text of many lines: standard input at the shell, a literal in the protocol."""

_AGO = re.compile(r"(\d{1,9})\s*(s|m|min|h|d|w)")
_AGO_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_AMOUNT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([kmgt]?)(?:i?b)?")
_AMOUNT_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_HELP_LINE = re.compile(r"\s*(\w+): (.+)")
_FIRST_MOMENT = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_MAX_WORD = 1 << 20
_MAX_ITEMS = 10_000
_MAX_INTEGER = (1 << 63) - 1


class Secret:
    """A password on its way to the hasher; never shows itself."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "***"


def is_dash(value: object) -> bool:
    """Whether a password is given as ``-``: it comes from standard input."""
    return isinstance(value, Secret) and value.text == "-"


class UsageError(BadValue):
    """The words do not fit the operation's syntax (exit code 2)."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter. ``option``: written ``--name``. ``rest``: takes all the words that are left, as a tuple."""

    name: str
    kind: Kind
    help: str
    required: bool
    default: object
    option: bool
    rest: bool
    choices: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """Its name as written by people: ``full-name``."""
        return self.name.replace("_", "-")

    @property
    def from_input(self) -> bool:
        """Whether the shell reads it from standard input when it is not given."""
        return self.kind in ("secret", "document")

    @property
    def syntax(self) -> str:
        """How usage lines show it."""
        if not self.option:
            shown = self.word.upper() + ("..." if self.rest else "")
        elif self.kind == "flag":
            shown = f"--{self.word}"
        else:
            shown = f"--{self.word} {'|'.join(self.choices) or self.kind.upper()}"
        return shown if self.required and not self.option else f"[{shown}]"


_KINDS: dict[object, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "flag",
    Address: "address",
    Secret: "secret",
    DomainName: "domain",
    Moment: "moment",
    Amount: "amount",
    Document: "document",
}
_NEEDED = {"integer": "a whole number", "number": "a number", "flag": "on or off", "switch": "on or off"}
_JSON_TYPES = {"integer": "integer", "number": "number", "flag": "boolean", "switch": "boolean"}


def arguments_of(function: Callable[..., object]) -> tuple[Argument, ...]:
    """The arguments of an operation's function, all parameters but the context. Raises TypeError for a type not known."""
    hints = typing.get_type_hints(function)
    helps = argument_help(function.__doc__ or "")
    out = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        kind, choices, rest = _kind_of(hints[parameter.name])
        out.append(
            Argument(
                name=parameter.name,
                kind=kind,
                help=helps.get(parameter.name, ""),
                required=parameter.default is inspect.Parameter.empty,
                default=None if parameter.default is inspect.Parameter.empty else parameter.default,
                option=parameter.kind is inspect.Parameter.KEYWORD_ONLY,
                rest=rest,
                choices=choices,
            )
        )
    return tuple(out)


def _kind_of(hint: Any) -> tuple[Kind, tuple[str, ...], bool]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        # A flag that may also be unset needs a value, on or off; a plain one is set by being there.
        return ("switch", ("on", "off"), False) if inner is bool else _kind_of(inner)
    if origin is tuple:
        kind, choices, _ = _kind_of(typing.get_args(hint)[0])
        return kind, choices, True
    if origin is Literal:
        return "choice", tuple(typing.get_args(hint)), False
    if hint not in _KINDS:
        raise TypeError(f"operations do not know arguments of type {hint!r}")
    return _KINDS[hint], (), False


def argument_help(docstring: str) -> dict[str, str]:
    """The lines of the docstring's ``Args:`` part, by name."""
    _, found, tail = inspect.cleandoc(docstring).partition("\nArgs:\n")
    out: dict[str, str] = {}
    for line in tail.splitlines() if found else ():
        if match := _HELP_LINE.fullmatch(line):
            out[match[1]] = match[2].strip()
        elif line.strip() and out:
            out[list(out)[-1]] += " " + line.strip()
    return out


def parse_words(
    arguments: Sequence[Argument], words: Sequence[str], *, now: float, domain: str = "", protocol: bool = False
) -> dict[str, object]:
    """The values that ``words`` mean, by name; arguments that were not given are left out.

    ``domain`` completes addresses without one. ``protocol`` allows options to follow as plain words.
    Raises UsageError (syntax) or BadValue (a value that does not fit).
    """
    positional, options = split_words(arguments, words, protocol=protocol)
    values: dict[str, object] = {}
    slots = [argument for argument in arguments if not argument.option or (protocol and argument.name not in options)]
    for argument in slots:
        if argument.rest:
            taken, positional = positional, []
        else:
            taken, positional = positional[:1], positional[1:]
        if protocol and not argument.required:
            taken = [word for word in taken if word != ""]
        if taken:
            parsed = [parse_value(argument, word, now=now, domain=domain) for word in taken]
            values[argument.name] = tuple(parsed) if argument.rest else parsed[0]
    if positional:
        raise UsageError(f"unexpected word {positional[0]!r}")
    by_name = {argument.name: argument for argument in arguments}
    for name, word in options.items():
        values[name] = True if word is None else parse_value(by_name[name], word, now=now, domain=domain)
    return values


def split_words(
    arguments: Sequence[Argument], words: Sequence[str], *, protocol: bool = False
) -> tuple[list[str], dict[str, str | None]]:
    """Plain words, and options by argument name (None for a flag). ``--`` ends the options. Raises UsageError."""
    known = {f"--{argument.word}": argument for argument in arguments if argument.option}
    positional: list[str] = []
    options: dict[str, str | None] = {}
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        argument = known.get(name.lower()) if word.startswith("--") else None
        if word == "--" and not protocol:
            return positional + queue, options
        if argument is None:
            if word.startswith("--") and not protocol:
                raise UsageError(f"there is no option {name}")
            positional.append(word)
        elif argument.kind == "flag":
            if equals:
                raise UsageError(f"{name} takes no value")
            options[argument.name] = None
        elif equals:
            options[argument.name] = value
        elif queue:
            options[argument.name] = queue.pop(0)
        else:
            raise UsageError(f"{name} needs a value")
    return positional, options


def missing(arguments: Sequence[Argument], values: Mapping[str, object]) -> Argument | None:
    """The first required argument without a value."""
    return next((argument for argument in arguments if argument.required and argument.name not in values), None)


def parse_value(argument: Argument, text: str, *, now: float, domain: str = "") -> object:
    """One word as a value of the argument's kind. Raises BadValue with a text that says what is allowed."""
    if len(text) > _MAX_WORD:
        raise BadValue(f"{argument.word} is too long")
    if argument.kind == "text":
        return text
    if argument.kind == "choice":
        for choice in argument.choices:
            if choice.lower() == text.lower():
                return choice
        raise BadValue(f"{argument.word}: {text!r} is not one of {', '.join(argument.choices)}")
    if argument.kind == "secret":
        return Secret(text)
    if argument.kind == "document":
        return Document(text)
    try:
        return _convert(argument.kind, text, now, domain)
    except (ValueError, OverflowError) as error:
        why = (
            f" ({error})"
            if argument.kind in ("address", "domain", "moment", "amount")
            else f": {_NEEDED[argument.kind]} is needed"
        )
        raise BadValue(f"{argument.word}: {text!r} does not fit{why}") from None


def parse_named(
    arguments: Sequence[Argument], named: Mapping[str, object], *, now: float, domain: str = ""
) -> dict[str, object]:
    """The values of arguments that are given by name in JSON's types; null and empty lists count as not given.

    Raises UsageError for a name that is none, BadValue.
    """
    by_name = {argument.name: argument for argument in arguments}
    values: dict[str, object] = {}
    for word, given in named.items():
        argument = by_name.get(word.replace("-", "_"))
        if argument is None:
            raise UsageError(f"there is no argument {word!r}")
        if given is None or given == []:
            continue
        if argument.rest:
            each_given = given if isinstance(given, (list, tuple)) else [given]
            if len(each_given) > _MAX_ITEMS:
                raise BadValue(f"{argument.word}: at most {_MAX_ITEMS} at a time")
            values[argument.name] = tuple(_typed(argument, each, now, domain) for each in each_given)
        else:
            values[argument.name] = _typed(argument, given, now, domain)
    return values


def _typed(argument: Argument, given: object, now: float, domain: str) -> object:
    wanted = _JSON_TYPES.get(argument.kind, "string")
    text = {True: "on", False: "off"}[given] if isinstance(given, bool) else str(given)
    if argument.kind == "amount" and isinstance(given, int) and not isinstance(given, bool):
        wanted = "integer"
    if _json_type(given) != wanted and (wanted, _json_type(given)) != ("number", "integer"):
        raise BadValue(f"{argument.word}: a JSON {wanted} is needed")
    return parse_value(argument, text, now=now, domain=domain)


def _json_type(given: object) -> str:
    if isinstance(given, bool):
        return "boolean"
    if isinstance(given, str):
        return "string"
    return "integer" if isinstance(given, int) else "number" if isinstance(given, float) else "other"


def _convert(kind: Kind, text: str, now: float, domain: str) -> object:
    if kind == "integer":
        return _bounded(int(text))
    if kind == "number":
        return float(text)
    if kind in ("flag", "switch"):
        if text.lower() not in ("on", "yes", "true", "1", "off", "no", "false", "0"):
            raise ValueError(text)
        return text.lower() in ("on", "yes", "true", "1")
    if kind == "domain":
        return DomainName(normal_domain(text))
    if kind == "moment":
        return Moment(parse_moment(text, now))
    if kind == "amount":
        return Amount(parse_amount(text))
    return Address.parse(f"{text}@{domain}" if domain and "@" not in text else text)


def _bounded(number: int) -> int:
    """A number that databases take. Raises ValueError."""
    if abs(number) > _MAX_INTEGER:
        raise ValueError(number)
    return number


def parse_amount(text: str) -> int:
    """Raises ValueError."""
    word = text.strip().lower()
    if word in ("none", "inherit"):
        return 0 if word == "none" else -1
    if match := _AMOUNT.fullmatch(word):
        return _bounded(int(float(match[1]) * _AMOUNT_UNITS[match[2]]))
    raise ValueError("an amount is written as 1000, 500M, 2G, none or inherit")


def parse_moment(text: str, now: float) -> float:
    """Seconds since 1970 of ``2h`` (ago), ``2026-11-24`` or ``2026-11-24T10:30`` (UTC). Raises ValueError."""
    if match := _AGO.fullmatch(text.strip().lower()):
        at = now - int(match[1]) * _AGO_UNITS[match[2]]
        if at < _FIRST_MOMENT:
            raise ValueError("nothing is that long ago")
        return at
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("a time is written as 2h, 3d or 2026-11-24T10:30") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def json_schema(arguments: Sequence[Argument]) -> dict[str, object]:
    """JSON schema (draft 2020-12) of an object that holds the arguments by name."""
    properties: dict[str, object] = {}
    for argument in arguments:
        one: dict[str, object] = {"type": _JSON_TYPES.get(argument.kind, "string")}
        if argument.kind == "choice":
            one["enum"] = list(argument.choices)
        if argument.kind == "secret":
            one["writeOnly"] = True
        entry: dict[str, object] = {"type": "array", "items": one} if argument.rest else one
        entry["description"] = argument.help
        properties[argument.name] = entry
    required = [argument.name for argument in arguments if argument.required]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
