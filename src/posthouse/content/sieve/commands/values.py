"""set with its modifiers (RFC 5229 §4; :quoteregex of the regex draft, :encodeurl of RFC 5435 §6)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec, TagSpec
from posthouse.content.sieve.state import Op, Signal, State

_NAME = re.compile(r"(?:global\.)?[A-Za-z_][A-Za-z0-9_]{0,63}", re.I)
_WILD = re.compile(r"[\\*?]")
_REGEX_SPECIAL = re.compile(r"[\\.^$*+?()\[\]{}|]")

Modifier = Callable[[str], str]


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _quote_wildcard(text: str) -> str:
    return _WILD.sub(lambda found: "\\" + found[0], text)


def _quote_regex(text: str) -> str:
    return _REGEX_SPECIAL.sub(lambda found: "\\" + found[0], text)


def _encode_url(text: str) -> str:
    return quote(text, safe="-._~")


def _length(text: str) -> str:
    return str(len(text))


_MODIFIERS: dict[str, Modifier] = {
    "lower": str.lower,
    "upper": str.upper,
    "lowerfirst": _lower_first,
    "upperfirst": _upper_first,
    "quotewildcard": _quote_wildcard,
    "quoteregex": _quote_regex,
    "encodeurl": _encode_url,
    "length": _length,
}
"""In the order of their precedence (RFC 5229 §4.1): what stands first is done first."""

MODIFIER_TAGS = (
    TagSpec("lower", group="case"),
    TagSpec("upper", group="case"),
    TagSpec("lowerfirst", group="first letter"),
    TagSpec("upperfirst", group="first letter"),
    TagSpec("quotewildcard", group="quoting"),
    TagSpec("quoteregex", extension="regex", group="quoting"),
    TagSpec("encodeurl", extension="enotify"),
    TagSpec("length"),
)


def modifiers_of(bound: Bound) -> list[Modifier]:
    """Those that were given, in the order in which they are done."""
    return [modifier for name, modifier in _MODIFIERS.items() if name in bound.tags]


def variable_name(bound: Bound, index: int, compiler: Compiler) -> tuple[str, bool]:
    """The lower-case name and whether it is a global one. Raises ScriptError."""
    strings = bound.strings(index)
    name = compiler.constant(strings, "a variable's name")
    if not _NAME.fullmatch(name):
        raise bound.error(f"{name[:100]!r} is not the name of a variable", strings.place)
    namespace, _, bare = name.lower().rpartition(".")
    if namespace and not compiler.required("include"):
        raise bound.error('global variables need require "include"', strings.place)
    return bare, bool(namespace) or bare in compiler.shared


def _set(bound: Bound, compiler: Compiler) -> Op:
    name, shared = variable_name(bound, 0, compiler)
    text, modifiers = compiler.text(bound.strings(1)), modifiers_of(bound)

    def run(state: State) -> Signal | None:
        value = text.value(state)
        for modifier in modifiers:
            value = modifier(value)
        state.set_variable(name, value, shared=shared)
        return None

    return run


COMMANDS = (CommandSpec(Spec("set", ("string", "string"), MODIFIER_TAGS, ("variables",)), _set),)
