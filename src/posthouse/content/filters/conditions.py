"""One condition as a Sieve test, and back. Reading may be generous: ``document`` takes a filter only if it is written alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast, get_args

from posthouse.base.errors import BadValue
from posthouse.content.filters.model import Condition, Field, Operator, TextField
from posthouse.content.filters.writing import numbers_of, plain, quoted, string_list, strings_of, tags_of
from posthouse.content.sieve.syntax import Strings, Test

_NUMERIC = ':comparator "i;ascii-numeric"'
_UNESCAPED = re.compile(r"\\(.)", re.S)
_SPECIAL = re.compile(r"[\\*?]")

_TEXT_TESTS: dict[str, tuple[str, str]] = {
    "sender": ("envelope", '"from" '),
    "recipient": ("envelope", '"to" '),
    "from": ("address", '"From" '),
    "to": ("address", '"To" '),
    "cc": ("address", '"Cc" '),
    "to_or_cc": ("address", '["To", "Cc"] '),
    "subject": ("header", '"Subject" '),
    "body": ("body :text", ""),
    "attachment_name": ("attachment :filename", ""),
    "attachment_type": ("attachment :declared", ""),
    "attachment_content": ("attachment :detected", ""),
    "archive_member": ("attachment :member", ""),
    "client_address": ("client :address", ""),
    "client_host": ("client :host", ""),
    "helo": ("client :helo", ""),
    "account": ("authenticated", ""),
    "spf": ("authresult :spf", ""),
    "dkim": ("authresult :dkim", ""),
    "dmarc": ("authresult :dmarc", ""),
    "date": ("currentdate", '"date" '),
    "time": ("currentdate", '"time" '),
    "weekday": ("currentdate", '"weekday" '),
}
"""Field to (test with its tags, what stands before the keys)."""
_LIST_TESTS: dict[str, str] = {
    "dnsbl": "dnsbl",
    "client_network": "client :network",
    "sender_domain": "indomain :sender",
    "recipient_domain": "indomain :recipient",
    "sender_group": "ingroup :sender",
    "recipient_group": "ingroup :recipient",
    "sender_address_book": "inaddressbook :sender",
    "recipient_address_book": "inaddressbook :recipient",
}
_VIRUS = {"untested": "0", "clean": "1", "replaced": "2", "repaired": "3", "suspicious": "4", "infected": "5"}
_MATCHES: dict[str, str] = {"is": ":is", "contains": ":contains", "matches": ":matches", "regex": ":regex"}
_MATCHES |= {"starts": ":matches", "ends": ":matches", "greater": ':value "gt"', "less": ':value "lt"'}
_TEXT_FIELDS = frozenset(get_args(TextField))


def to_sieve(condition: Condition) -> str:
    """The test, with ``not`` before it if need be. Raises BadValue for what does not fit the field."""
    test = _test(condition)
    return f"not {test}" if condition.negate else test


def _test(condition: Condition) -> str:
    field = condition.field
    if condition.operator == "exists":
        if field != "header" or not condition.header:
            raise BadValue("exists is for headers")
        return f"exists {quoted(condition.header)}"
    if field in _TEXT_FIELDS:
        return _text_test(condition)
    if field in _LIST_TESTS:
        return f"{_LIST_TESTS[field]} {string_list(_values(condition))}"
    if field == "authenticated":
        return "authenticated"
    if field == "direction":
        return f"direction {quoted(_one(condition, ('in', 'out')))}"
    if field == "virus":
        return f'virustest :value "eq" {_NUMERIC} {quoted(_VIRUS[_one(condition, tuple(_VIRUS))])}'
    return _number_test(condition)


def _text_test(condition: Condition) -> str:
    values, operator = _values(condition), condition.operator
    if operator not in _MATCHES:
        raise BadValue(f"{condition.field} does not do {operator}")
    if condition.field == "header":
        if not condition.header:
            raise BadValue("which header?")
        test, before = "header", f"{quoted(condition.header)} "
    else:
        test, before = _TEXT_TESTS[condition.field]
    if operator == "starts":
        values = tuple(_escaped(value) + "*" for value in values)
    elif operator == "ends":
        values = tuple("*" + _escaped(value) for value in values)
    return f"{test} {_MATCHES[operator]} {before}{string_list(values)}"


def _number_test(condition: Condition) -> str:
    field, operator, number = condition.field, condition.operator, condition.number
    if number is None or number < 0:
        raise BadValue(f"{field} needs a number")
    if field == "size" and operator in ("greater", "less"):
        return f"size {':over' if operator == 'greater' else ':under'} {number}"
    if field == "attachment_size" and operator == "greater":
        return f"attachment :size :over {number}"
    if field == "attachment_count" and operator in ("greater", "less", "is"):
        relation = {"greater": "gt", "less": "lt", "is": "eq"}[operator]
        return f'attachment :filename :count "{relation}" {_NUMERIC} "{number}"'
    if field == "score" and operator in ("at_least", "less"):
        return f"score {':atleast' if operator == 'at_least' else ':below'} {number}"
    if field == "word_list" and operator == "at_least":
        return f"wordlist :atleast {number} {string_list(_values(condition))}"
    raise BadValue(f"{field} does not do {operator}")


def _values(condition: Condition) -> tuple[str, ...]:
    if not condition.values:
        raise BadValue(f"{condition.field} needs at least one value")
    return condition.values


def _one(condition: Condition, allowed: Sequence[str]) -> str:
    if len(condition.values) != 1 or condition.values[0] not in allowed:
        raise BadValue(f"{condition.field} is one of {', '.join(allowed)}")
    return condition.values[0]


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: "\\" + match[0], text)


# Back


def from_sieve(test: Test) -> Condition | None:
    """The condition of a test that this module could have written; None for others."""
    if test.name == "not" and len(test.tests) == 1:
        inner = from_sieve(test.tests[0])
        return None if inner is None or inner.negate else _negated(inner)
    strings, numbers = strings_of(test.arguments), numbers_of(test.arguments)
    if test.name == "exists" and strings:
        return Condition("header", "exists", header=strings[0][0])
    if test.name == "authenticated" and not test.arguments:
        return Condition("authenticated")
    if test.name == "direction" and strings:
        return Condition("direction", values=strings[0])
    if test.name == "virustest" and strings:
        words = [word for word, value in _VIRUS.items() if value == strings[-1][0]]
        return Condition("virus", values=(words[0],)) if words else None
    tags = tags_of(test.arguments)
    if numbers or "count" in tags:
        return _number_condition(test, tags, strings, numbers)
    head = f"{test.name} :{tags[0]}" if tags else test.name
    for field, written in _LIST_TESTS.items():
        if head == written and strings:
            return Condition(cast(Field, field), values=strings[-1])
    return _text_condition(test, tags, strings)


def _negated(condition: Condition) -> Condition:
    return Condition(condition.field, condition.operator, condition.values, condition.header, condition.number, negate=True)


def _number_condition(
    test: Test, tags: Sequence[str], strings: Sequence[tuple[str, ...]], numbers: Sequence[int]
) -> Condition | None:
    if "count" in tags and test.name == "attachment" and len(strings) == 3 and strings[2][0].isdecimal():
        operator = {"gt": "greater", "lt": "less", "eq": "is"}.get(strings[0][0])
        number = int(strings[2][0][:9])
        return Condition("attachment_count", cast(Operator, operator), number=number) if operator else None
    if not numbers:
        return None
    number = numbers[0]
    if test.name == "size":
        return Condition("size", "greater" if "over" in tags else "less", number=number)
    if test.name == "attachment":
        return Condition("attachment_size", "greater", number=number)
    if test.name == "score":
        return Condition("score", "at_least" if "atleast" in tags else "less", number=number)
    if test.name == "wordlist" and strings:
        return Condition("word_list", "at_least", strings[0], number=number)
    return None


def _text_condition(test: Test, tags: Sequence[str], strings: Sequence[tuple[str, ...]]) -> Condition | None:
    matches = [tag for tag in tags if tag in ("is", "contains", "matches", "regex", "value")]
    if len(matches) != 1 or not strings:
        return None
    relation = strings[0][0] if matches[0] == "value" else ""
    others = [tag for tag in tags if tag != matches[0]]
    head = " :".join((test.name, *others))
    rest = strings[1:] if relation else strings
    before = _before(test) if len(rest) == 2 else ""
    operator, values = _operator(matches[0], relation, rest[-1]) if rest else (None, ())
    if operator is None:
        return None
    for field, (written, expected) in _TEXT_TESTS.items():
        if head == written and before == expected:
            return Condition(cast(Field, field), operator, values)
    if head == "header" and len(rest) == 2 and len(rest[0]) == 1:
        return Condition("header", operator, values, header=rest[0][0])
    return None


def _before(test: Test) -> str:
    """The second last string or list as it would be written."""
    strings = [argument for argument in test.arguments if isinstance(argument, Strings)]
    return string_list([plain(value) for value in strings[-2].values]) + " "


def _operator(match: str, relation: str, keys: tuple[str, ...]) -> tuple[Operator | None, tuple[str, ...]]:
    if match == "value":
        return cast("Operator | None", {"gt": "greater", "lt": "less"}.get(relation)), keys
    if match != "matches":
        return cast(Operator, match), keys
    shapes = [_shape(key) for key in keys]
    starts_or_ends: tuple[Operator, Operator] = ("starts", "ends")
    for operator in starts_or_ends:
        if all(kind == operator for kind, _ in shapes):
            return operator, tuple(text for _, text in shapes)
    return "matches", keys


def _shape(pattern: str) -> tuple[str, str]:
    """``starts`` or ``ends`` with its text, if that is all that the pattern says; else ``matches``."""
    for operator, body in (("starts", pattern[:-1]), ("ends", pattern[1:])):
        text = _UNESCAPED.sub(r"\1", body)
        if text and pattern == (_escaped(text) + "*" if operator == "starts" else "*" + _escaped(text)):
            return operator, text
    return "matches", pattern
