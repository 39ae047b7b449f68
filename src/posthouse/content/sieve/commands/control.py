"""require, stop (RFC 5228 §3.2, §3.3) and error (RFC 5463 §5). ``if`` is in ``conditions``."""

from __future__ import annotations

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.specs import Bound, CommandSpec, Spec
from posthouse.content.sieve.state import STOP, Op, Signal, State


def _require(bound: Bound, compiler: Compiler) -> Op:
    names = bound.strings(0)
    for name in names.values:
        compiler.require(name, names.place)
    return lambda _state: None


def _stop(_bound: Bound, _compiler: Compiler) -> Op:
    return lambda _state: STOP


def _error(bound: Bound, compiler: Compiler) -> Op:
    text = compiler.text(bound.strings(0))

    def run(state: State) -> Signal | None:
        raise RunError(text.value(state), bound.line)

    return run


COMMANDS = (
    CommandSpec(Spec("require", ("strings",)), _require),
    CommandSpec(Spec("stop"), _stop),
    CommandSpec(Spec("error", ("string",), extension=("ihave",)), _error),
)
