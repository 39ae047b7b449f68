"""string (RFC 5229 §5), hasflag (RFC 5232 §4), valid_notify_method and notify_method_capability (RFC 5435 §4, §5)."""

from __future__ import annotations

from posthouse.content.sieve.commands.flags import flag_list, variable_flags
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.notices import is_valid_method
from posthouse.content.sieve.specs import MATCH_TAGS, Bound, Spec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import values


def _string(bound: Bound, compiler: Compiler) -> TestOp:
    sources = compiler.texts(bound.strings(0))
    matches = compiler.matcher(bound, bound.strings(1)).strings
    counts = "count" in bound.tags

    def run(state: State) -> bool:
        found = values(sources, state)
        return matches(state, [value for value in found if value] if counts else found)

    return run


def _hasflag(bound: Bound, compiler: Compiler) -> TestOp:
    """``[variables] flags``; a list of flags in one key is taken apart."""
    keys = compiler.texts(bound.strings(len(bound.positional) - 1))
    names = [name.lower() for name in bound.strings(0).values] if len(bound.positional) == 2 else None
    if names is not None and not compiler.required("variables"):
        raise bound.error('a variable needs require "variables"', bound.strings(0).place)
    manner = bound.one_of("is", "contains", "matches", "regex", "value", "count") or "is"
    matches = compiler.matcher(bound, bound.strings(len(bound.positional) - 1)).strings

    def run(state: State) -> bool:
        found = variable_flags(state, names)
        if manner != "is":
            return matches(state, found)
        have = {flag.lower() for flag in found}
        return any(flag.lower() in have for flag in flag_list(values(keys, state)))

    return run


def _valid_notify_method(bound: Bound, compiler: Compiler) -> TestOp:
    uris = compiler.texts(bound.strings(0))
    return lambda state: all(is_valid_method(uri) for uri in values(uris, state))


def _notify_method_capability(bound: Bound, compiler: Compiler) -> TestOp:
    """``online`` is what RFC 5435 §5 names; of a mail address it is never known."""
    uri, capability = compiler.text(bound.strings(0)), compiler.text(bound.strings(1))
    matches = compiler.matcher(bound, bound.strings(2)).strings

    def run(state: State) -> bool:
        known = is_valid_method(uri.value(state)) and capability.value(state).lower() == "online"
        return known and matches(state, ("maybe",))

    return run


TESTS = (
    TestSpec(Spec("string", ("strings", "strings"), MATCH_TAGS, ("variables",)), _string),
    TestSpec(Spec("hasflag", ("strings", "strings"), MATCH_TAGS, ("imap4flags",), optional_first=True), _hasflag),
    TestSpec(Spec("valid_notify_method", ("strings",), extension=("enotify",)), _valid_notify_method),
    TestSpec(
        Spec("notify_method_capability", ("string", "string", "strings"), MATCH_TAGS, ("enotify",)), _notify_method_capability
    ),
)
