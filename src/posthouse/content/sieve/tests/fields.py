"""header, exists, size (RFC 5228 §5.5, §5.7, §5.9; RFC 5260 §6; RFC 5703 §4)."""

from __future__ import annotations

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.fieldvalues import field_names, field_values, parts_of
from posthouse.content.sieve.specs import INDEX_TAGS, MATCH_TAGS, MIME_TAGS, Bound, Spec, TagSpec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import values


def _header(bound: Bound, compiler: Compiler) -> TestOp:
    matches = compiler.matcher(bound, bound.strings(1)).strings
    found = field_values(bound, field_names(bound.strings(0), compiler), compiler)
    return lambda state: matches(state, found(state))


def _exists(bound: Bound, compiler: Compiler) -> TestOp:
    """All of them are there; with :mime in the current part, with :anychild each in some part."""
    names = field_names(bound.strings(0), compiler)
    if "mime" not in bound.tags:
        if "anychild" in bound.tags:
            raise bound.error(":anychild needs :mime", bound.tag_places["anychild"])
        return lambda state: all(state.fields(name.lower()) for name in values(names, state))
    any_child = "anychild" in bound.tags

    def run(state: State) -> bool:
        parts = list(parts_of(state, any_child=any_child))
        state.step(len(parts))
        return all(any(state.message.part_fields(part, name.lower()) for part in parts) for name in values(names, state))

    return run


def _size(bound: Bound, _compiler: Compiler) -> TestOp:
    limit = bound.tag_number("over")
    if limit is not None:
        over = limit
        return lambda state: state.message.size_bytes > over
    limit = bound.tag_number("under")
    if limit is None:
        raise bound.error("size needs :over or :under")
    under = limit
    return lambda state: state.message.size_bytes < under


TESTS = (
    TestSpec(Spec("header", ("strings", "strings"), (*MATCH_TAGS, *INDEX_TAGS, *MIME_TAGS)), _header),
    TestSpec(Spec("exists", ("strings",), MIME_TAGS[:2]), _exists),
    TestSpec(Spec("size", (), (TagSpec("over", "number", group="size"), TagSpec("under", "number", group="size"))), _size),
)
