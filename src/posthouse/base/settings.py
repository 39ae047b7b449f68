"""The mechanism of settings: typed, frozen fields with default, unit, bounds, help, and when they take effect (ADM-5).

A group is a frozen dataclass whose fields are made by ``setting(...)``; the groups themselves stand in
``model/settings/``. A snapshot of all groups is immutable; changing one value makes the next snapshot, which is checked
whole before anything sees it. Keys are ``group.field``, lower case, words joined by ``_``.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from posthouse.base.errors import BadValue

Effect = Literal["at once", "new sessions", "restart"]
Value = bool | int | float | str | tuple[str, ...]
GroupType = TypeVar("GroupType")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?i?b?)?", re.I)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|days?|hours?)?", re.I)
_SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_TIME_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Form:
    """What a text, or each word of a list, must be. ``reads`` raises ValueError for what is not; empty texts are not asked.
    ``secret``: it is a URL that may hold a password."""

    words: str
    reads: Callable[[str], object]
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of one setting. ``kind`` is the Python type; ``unit`` is "", "bytes", "s", ..."""

    key: str
    kind: type[Any]
    default: Value
    help: str
    unit: str
    at_least: float | None
    at_most: float | None
    choices: tuple[str, ...]
    effect: Effect
    form: Form | None = None

    @property
    def secret(self) -> bool:
        """Whether it may hold a password that people are not shown."""
        return self.form is not None and self.form.secret

    def parse(self, text: str) -> Value:
        """The value that an administrator's words mean. Raises BadValue with a text that says what is allowed."""
        try:
            value = self._convert(text.strip())
        except (ValueError, OverflowError):
            raise BadValue(f"{self.key}: {text!r} is not {self.allowed()}") from None
        self.check(value)
        return value

    def _convert(self, text: str) -> Value:
        if self.kind is bool:
            if text.lower() in ("on", "yes", "true", "1"):
                return True
            if text.lower() in ("off", "no", "false", "0"):
                return False
            raise ValueError(text)
        if self.kind in (int, float):
            number = self._number(text)
            return int(number) if self.kind is int else number
        if self.kind is tuple:
            return tuple(word for word in re.split(r"[,\s]+", text) if word)
        return text

    def _number(self, text: str) -> float:
        if self.unit == "bytes" and (match := _SIZE.fullmatch(text)):
            return float(match[1]) * _SIZE_UNITS[(match[2] or "").lower().rstrip("ib")]
        if self.unit == "s" and (match := _TIME.fullmatch(text)):
            word = (match[2] or "").lower()
            return float(match[1]) * _TIME_UNITS[word if word in _TIME_UNITS else word[0]]
        return float(text) if self.kind is float else int(text)

    def check(self, value: Value) -> None:
        """Raises BadValue if ``value`` has the wrong type or lies outside the bounds."""
        right = isinstance(value, self.kind) and not (self.kind is int and isinstance(value, bool))
        if right and isinstance(value, (int, float)) and not isinstance(value, bool):
            right = (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)
            right = right and math.isfinite(value)
        if right and self.choices and isinstance(value, str):
            right = value in self.choices
        if right and isinstance(value, (str, tuple)):
            right = all(char.isprintable() for word in value for char in word)
        if not right:
            raise BadValue(f"{self.key}: {value!r} is not {self.allowed()}")
        if self.form is not None:
            for word in value if isinstance(value, tuple) else (value,):
                self._check_form(str(word), self.form)

    def _check_form(self, word: str, form: Form) -> None:
        if not word:
            return
        try:
            form.reads(word)
        except ValueError as error:
            shown = without_passwords(word) if self.secret else word
            raise BadValue(f"{self.key}: {shown!r} is not {form.words} ({error})") from None

    def allowed(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "on or off"
        if self.form is not None:
            return f"a list, each {self.form.words}" if self.kind is tuple else self.form.words
        words = {int: "a whole number", float: "a number", tuple: "a list of words", str: "a text"}[self.kind]
        unit = f" of {self.unit}" if self.unit else ""
        low = f" from {_plain(self.at_least)}" if self.at_least is not None else ""
        high = f" to {_plain(self.at_most)}" if self.at_most is not None else ""
        return words + unit + low + high

    def render(self, value: Value) -> str:
        """``value`` as text that ``parse`` reads back."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return " ".join(value) if isinstance(value, tuple) else str(value)

    def show(self, value: Value) -> str:
        """As ``render``, for people: the password in a secret one's URL is hidden."""
        text = self.render(value)
        return without_passwords(text) if self.secret else text


HIDDEN = "***"
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/]*@|(?:(?<=[?&\s]password=)|(?<=^password=))[^\s&]*")


def without_passwords(text: str) -> str:
    """``text`` with the passwords of URLs in it hidden."""
    return _URL_PASSWORD.sub(lambda match: HIDDEN if match[1] is None else f"{match[1]}:{HIDDEN}@", text)


def _plain(number: float) -> str:
    """Without an exponent, and without ``.0``."""
    return str(int(number)) if number == int(number) else str(number)


def setting(
    default: Any,
    help: str,
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] = (),
    effect: Effect = "at once",
    form: Form | None = None,
) -> Any:
    """A field of a group of settings."""
    meta = {"help": help, "unit": unit, "at_least": at_least, "at_most": at_most, "choices": choices, "effect": effect}
    return dataclasses.field(default=default, metadata={"setting": {**meta, "form": form}})


def specs(group_name: str, group: type[Any]) -> list[Spec]:
    """The settings of one group class, in the order of its fields."""
    hints = typing.get_type_hints(group)
    out = []
    for field in dataclasses.fields(group):
        meta = field.metadata["setting"]
        kind = typing.get_origin(hints[field.name]) or hints[field.name]
        out.append(Spec(key=f"{group_name}.{field.name}", kind=kind, default=typing.cast(Value, field.default), **meta))
    return out


def changed(group: GroupType, field: str, value: Value) -> GroupType:
    """A copy of the frozen ``group`` with one field changed (unchecked)."""
    return dataclasses.replace(group, **{field: value})  # type: ignore[type-var]
