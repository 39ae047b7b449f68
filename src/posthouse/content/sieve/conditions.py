"""``if``, ``elsif``, ``else`` (RFC 5228 §3.1), and what ``ihave`` means for them (RFC 5463 §4).

A branch whose test needs an extension that there is not can never be taken, so it is not looked at: it may be full of
commands that nobody here knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.content.sieve.capabilities import supports
from posthouse.content.sieve.errors import ScriptError
from posthouse.content.sieve.specs import Bound, Spec, bind
from posthouse.content.sieve.state import Op, Signal, State, TestOp
from posthouse.content.sieve.syntax import Command, Strings, Test

if TYPE_CHECKING:
    from posthouse.content.sieve.compiler import Compiler

_WITH_TEST = Spec("if", inner="one", block=True)
_ELSE = Spec("else", block=True)


def conditional(chain: Sequence[Command], compiler: Compiler) -> Op:
    """An ``if`` with its ``elsif`` and ``else``. Raises ScriptError."""
    branches: list[tuple[TestOp, Op]] = []
    otherwise: Op | None = None
    for command in chain:
        if otherwise is not None:
            raise ScriptError(f"{command.name} after else", command.place.line, command.place.column)
        if command.name == "else":
            otherwise = compiler.block(bind(_ELSE, command, compiler.required).block)
            continue
        bound = bind(_WITH_TEST, command, compiler.required)
        if _impossible(bound.tests[0], compiler):
            continue
        branches.append((compiler.test(bound.tests[0]), _branch(bound, compiler)))
    if len(branches) == 1:
        return _single(*branches[0], otherwise)
    return _chain(tuple(branches), otherwise)


def _branch(bound: Bound, compiler: Compiler) -> Op:
    return compiler.block(bound.block)


def _single(test: TestOp, branch: Op, otherwise: Op | None) -> Op:
    def run(state: State) -> Signal | None:
        if test(state):
            return _inside(state, branch)
        return _inside(state, otherwise) if otherwise is not None else None

    return run


def _chain(branches: tuple[tuple[TestOp, Op], ...], otherwise: Op | None) -> Op:
    def run(state: State) -> Signal | None:
        for test, branch in branches:
            if test(state):
                return _inside(state, branch)
        return _inside(state, otherwise) if otherwise is not None else None

    return run


def _inside(state: State, block: Op) -> Signal | None:
    state.depth += 1
    signal = block(state)
    state.depth -= 1
    return signal


def _impossible(test: Test, compiler: Compiler) -> bool:
    """Whether an ``ihave`` of something that there is not makes the test false for ever."""
    if test.name == "ihave":
        wanted = test.arguments[0] if len(test.arguments) == 1 else None
        return isinstance(wanted, Strings) and not all(supports(name, compiler.scope) for name in wanted.values)
    if test.name == "allof":
        return any(_impossible(inner, compiler) for inner in test.tests)
    if test.name == "anyof":
        return bool(test.tests) and all(_impossible(inner, compiler) for inner in test.tests)
    return False
