"""spamtest, with :percent, and virustest (RFC 5235), from the one spam scale (CON-8: 50 is spam)."""

from __future__ import annotations

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.specs import MATCH_TAGS, Bound, Spec, TagSpec, TestSpec
from posthouse.content.sieve.state import TestOp


def spam_value(score: float | None) -> str:
    """0: not tested; 1: clean; 10: certain. 50 points are 5."""
    return "0" if score is None else str(1 + int(min(max(score, 0.0), 100.0) * 0.09))


def spam_percent(score: float | None) -> str:
    """0 to 100; 50 points are 50."""
    return "0" if score is None else str(int(min(max(score, 0.0), 100.0)))


def _spamtest(bound: Bound, compiler: Compiler) -> TestOp:
    matches = compiler.matcher(bound, bound.strings(0)).strings
    value = spam_percent if "percent" in bound.tags else spam_value
    if bound.one_of("count"):
        return lambda state: matches(state, () if state.score is None else ("1",))
    return lambda state: matches(state, (value(state.score),))


def _virustest(bound: Bound, compiler: Compiler) -> TestOp:
    matches = compiler.matcher(bound, bound.strings(0)).strings
    return lambda state: matches(state, (str(state.facts.virus),))


TESTS = (
    TestSpec(
        Spec(
            "spamtest", ("string",), (*MATCH_TAGS, TagSpec("percent", extension="spamtestplus")), ("spamtest", "spamtestplus")
        ),
        _spamtest,
    ),
    TestSpec(Spec("virustest", ("string",), MATCH_TAGS, ("virustest",)), _virustest),
)
