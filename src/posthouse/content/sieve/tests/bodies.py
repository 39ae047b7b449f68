"""body (RFC 5173): the raw body, parts by type, or all that people read."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.message import BodyText
from posthouse.content.sieve.specs import MATCH_TAGS, Bound, Spec, TagSpec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import values


def _body(bound: Bound, compiler: Compiler) -> TestOp:
    matcher = compiler.matcher(bound, bound.strings(0))
    compiler.bodies.join(matcher)
    matches = matcher.bodies
    wanted = bound.tag_strings("content")
    if wanted is not None:
        types = compiler.texts(wanted)

        def of_types(state: State) -> Sequence[BodyText]:
            return state.message.content_texts(values(types, state))

        return lambda state: matches(state, of_types(state))
    if "raw" in bound.tags:
        return lambda state: matches(state, (state.message.raw_body,))
    return lambda state: matches(state, (state.message.plain_text,))


_TRANSFORMS = (
    TagSpec("raw", group="transform"),
    TagSpec("content", "strings", group="transform"),
    TagSpec("text", group="transform"),
)
TESTS = (TestSpec(Spec("body", ("strings",), (*MATCH_TAGS, *_TRANSFORMS), ("body",)), _body),)
