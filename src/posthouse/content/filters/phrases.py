"""Conditions and actions as people type them on one line, and as lists show them.

    subject contains news offer; not from is boss@example.com; size greater 100K; header X-Loop exists
    move_to News create; set_flags \\Seen; add_header X-Seen yes

Words with spaces go in quotes. A condition is ``[not] FIELD [HEADER] [OPERATOR] VALUE...``, an action its name and what it
needs in order, then its switches (``copy``) and further things as ``name=value``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec

from posthouse.base.errors import BadValue
from posthouse.content.filters import actions as sieve_actions
from posthouse.content.filters import conditions as sieve_conditions
from posthouse.content.filters.model import Action, Condition, Filter, Group, Operator, OtherField, TextField

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_FIELDS = frozenset((*get_args(TextField), *get_args(OtherField)))
_OPERATORS = frozenset(get_args(Operator))
_NUMBER_FIELDS = frozenset(("size", "attachment_size", "attachment_count", "score", "word_list"))
_ACTIONS: dict[str, type[Action]] = {kind.__struct_config__.tag: kind for kind in get_args(Action)}


def conditions_of(text: str) -> tuple[Condition, ...]:
    """The conditions between semicolons. Raises BadValue."""
    return tuple(_condition(words) for words in _pieces(text))


def actions_of(text: str) -> tuple[Action, ...]:
    """The actions between semicolons. Raises BadValue."""
    return tuple(_action(words) for words in _pieces(text))


def _pieces(text: str) -> list[list[str]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = lexer.escape = ""  # flags begin with a backslash
    try:
        words = list(lexer)
    except ValueError as error:
        raise BadValue(f"{text!r}: {error}") from None
    pieces: list[list[str]] = [[]]
    for word in words:
        if set(word) == {";"}:
            pieces.append([])
        else:
            pieces[-1].append(word)
    return [piece for piece in pieces if piece]


def _name(word: str) -> str:
    return word.lower().replace("-", "_")


def _condition(words: list[str]) -> Condition:
    rest = list(words)
    negate = _name(rest[0]) == "not"
    if negate:
        rest.pop(0)
    field = _name(rest.pop(0)) if rest else ""
    if field not in _FIELDS:
        raise BadValue(f"there is no field {field!r}; there are {', '.join(sorted(_FIELDS))}")
    header = rest.pop(0) if field == "header" and rest else ""
    operator = _name(rest.pop(0)) if rest and _name(rest[0]) in _OPERATORS else "is"
    number = _number(rest.pop(0)) if field in _NUMBER_FIELDS and rest else None
    made = {"kind": "test", "field": field, "operator": operator, "values": rest, "header": header, "negate": negate}
    condition: Condition = _converted({**made, "number": number}, Condition)
    sieve_conditions.to_sieve(condition)
    return condition


def _number(word: str) -> int:
    digits, unit = (word[:-1], word[-1].lower()) if word[-1:].lower() in _UNITS else (word, "")
    if not digits.isdecimal() or len(digits) > 10:
        raise BadValue(f"{word!r} is not a number")
    return int(digits) * _UNITS.get(unit, 1)


def _action(words: list[str]) -> Action:
    name = _name(words[0])
    kind = _ACTIONS.get(name)
    if kind is None:
        raise BadValue(f"there is no action {words[0]!r}; there are {', '.join(sorted(_ACTIONS))}")
    fields = msgspec.structs.fields(kind)
    switches = {field.name for field in fields if field.type is bool}
    optional = {field.name: field.type for field in fields if not field.required and field.type is not bool}
    made: dict[str, Any] = {"action": name}
    plain: list[str] = []
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if _name(word) in switches:
            made[_name(word)] = True
        elif equals and _name(key) in optional:
            made[_name(key)] = value
        else:
            plain.append(word)
    made.update(_needed([field for field in fields if field.required], plain, words[0]))
    action: Action = _converted(made, kind)
    sieve_actions.to_sieve(action)
    return action


def _needed(fields: Sequence[msgspec.structs.FieldInfo], words: list[str], name: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field in fields:
        if not words:
            raise BadValue(f"{name} needs {', '.join(each.name for each in fields)}")
        if field.type not in (str, int):
            made[field.name], words = words, []
        else:
            made[field.name], words = words[0], words[1:]
    if words:
        raise BadValue(f"{name} does not take {words[0]!r}")
    return made


def _converted(made: dict[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(made, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadValue(str(error)) from None


# Shown


def told_conditions(group: Group) -> str:
    """``any: subject contains news; not from is boss@example.com``."""
    if not group.conditions:
        return "always" if group.mode != "any" else "never"
    return f"{group.mode}: " + "; ".join(_told(each) for each in group.conditions)


def _told(each: Condition | Group) -> str:
    if isinstance(each, Group):
        return f"({told_conditions(each)})"
    words = ["not"] if each.negate else []
    words += [each.field, each.header] if each.header else [each.field]
    if each.operator != "is" or (each.values and each.field not in ("direction", "virus", "dnsbl")):
        words.append(each.operator)
    if each.number is not None:
        words.append(str(each.number))
    return " ".join((*words, *_shown(each.values)))


def told_actions(one: Filter) -> str:
    """``move_to News; stop``."""
    told = [_told_action(action) for action in one.actions] + (["stop"] if one.stop else [])
    return "; ".join(told)


def _told_action(action: Action) -> str:
    words = [str(action.__struct_config__.tag)]
    for field in msgspec.structs.fields(type(action)):
        value = getattr(action, field.name)
        if field.required:
            words += _shown(value if isinstance(value, tuple) else (str(value),))
        elif field.type is bool and value:
            words.append(field.name)
        elif field.type is not bool and value != field.default:
            words.append(f"{field.name}={' '.join(_shown((str(value),)))}")
    return " ".join(words)


def _shown(values: Iterable[str]) -> list[str]:
    """As they would be typed, on one line and not too long."""
    flat = [" ".join(value.split()) for value in values]
    return [shlex.quote(value if len(value) <= 60 else value[:60] + "...") for value in flat]
