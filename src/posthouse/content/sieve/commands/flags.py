"""setflag, addflag, removeflag (RFC 5232): the internal variable, or named ones, as lists of flags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec
from posthouse.content.sieve.state import Op, Signal, State
from posthouse.content.sieve.text import values

MAX_FLAGS = 50
_SYSTEM = {name.lower(): name for name in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")}
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~\[]{1,100}")  # RFC 9051 §9: atom


def flag_list(words: Iterable[str]) -> tuple[str, ...]:
    """Flags in order, each once whatever its case; texts with several are taken apart, what is no flag is left out (RFC 5232
    §2)."""
    found: dict[str, str] = {}
    for word in words:
        for flag in word.split():
            key = flag.lower()
            if key in _SYSTEM:
                found.setdefault(key, _SYSTEM[key])
            elif _KEYWORD.fullmatch(flag):
                found.setdefault(key, flag)
    return tuple(found.values())[:MAX_FLAGS]


def variable_flags(state: State, names: Sequence[str] | None) -> tuple[str, ...]:
    """The flags of variables; None: of the internal one."""
    if names is None:
        return state.flags or ()
    return flag_list(state.variables.get(name, "") for name in names)


def _changer(change: Callable[[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]) -> Callable[[Bound, Compiler], Op]:
    def make(bound: Bound, compiler: Compiler) -> Op:
        texts = compiler.texts(bound.strings(len(bound.positional) - 1))
        name = None
        if len(bound.positional) == 2:
            if not compiler.required("variables"):
                raise bound.error('a variable needs require "variables"', bound.strings(0).place)
            name = compiler.constant(bound.strings(0), "a variable's name").lower()

        def run(state: State) -> Signal | None:
            flags = flag_list(values(texts, state))
            if name is None:
                state.flags = change(state.flags or (), flags)
            else:
                state.set_variable(name, " ".join(change(variable_flags(state, [name]), flags)))
            return None

        return run

    return make


def _set(_old: tuple[str, ...], flags: tuple[str, ...]) -> tuple[str, ...]:
    return flags


def _add(old: tuple[str, ...], flags: tuple[str, ...]) -> tuple[str, ...]:
    return flag_list((*old, *flags))


def _remove(old: tuple[str, ...], flags: tuple[str, ...]) -> tuple[str, ...]:
    gone = {flag.lower() for flag in flags}
    return tuple(flag for flag in old if flag.lower() not in gone)


COMMANDS = tuple(
    CommandSpec(Spec(name, ("string", "strings"), extension=("imap4flags",), optional_first=True), _changer(change))
    for name, change in (("setflag", _set), ("addflag", _add), ("removeflag", _remove))
)
