"""allof, anyof, not, true, false (RFC 5228 §5) and ihave (RFC 5463)."""

from __future__ import annotations

from posthouse.content.sieve.capabilities import supports
from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.specs import Bound, Spec, TestSpec
from posthouse.content.sieve.state import State, TestOp


def _allof(bound: Bound, compiler: Compiler) -> TestOp:
    tests = tuple(compiler.test(inner) for inner in bound.tests)

    def run(state: State) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests
            if not test(state):
                return False
        return True

    return run


def _anyof(bound: Bound, compiler: Compiler) -> TestOp:
    tests = tuple(compiler.test(inner) for inner in bound.tests)

    def run(state: State) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests
            if test(state):
                return True
        return False

    return run


def _not(bound: Bound, compiler: Compiler) -> TestOp:
    test = compiler.test(bound.tests[0])
    return lambda state: not test(state)


def _true(_bound: Bound, _compiler: Compiler) -> TestOp:
    return lambda _state: True


def _false(_bound: Bound, _compiler: Compiler) -> TestOp:
    return lambda _state: False


def _ihave(bound: Bound, compiler: Compiler) -> TestOp:
    """Known at compile time; from here on what it names counts as required."""
    wanted = bound.strings(0)
    holds = all(supports(name, compiler.scope) for name in wanted.values)
    if holds:
        for name in wanted.values:
            compiler.require(name, wanted.place)
    return lambda _state: holds


TESTS = (
    TestSpec(Spec("allof", inner="list"), _allof),
    TestSpec(Spec("anyof", inner="list"), _anyof),
    TestSpec(Spec("not", inner="one"), _not),
    TestSpec(Spec("true"), _true),
    TestSpec(Spec("false"), _false),
    TestSpec(Spec("ihave", ("strings",), extension=("ihave",)), _ihave),
)
