"""date and currentdate (RFC 5260 §4, §5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.errors import RunError
from posthouse.content.sieve.fieldvalues import check_field_name, chosen, field_index
from posthouse.content.sieve.moments import PARTS, moment, moment_of, parse_zone
from posthouse.content.sieve.specs import INDEX_TAGS, MATCH_TAGS, Bound, Spec, TagSpec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.syntax import Strings


def _part_of(strings: Strings, bound: Bound, compiler: Compiler) -> Callable[[datetime], str]:
    name = compiler.constant(strings, "a date part").lower()
    part = PARTS.get(name)
    if part is None:
        raise bound.error(f"there is no date part {name!r}; there are {', '.join(PARTS)}", strings.place)
    return part


def _zone_of(bound: Bound, compiler: Compiler) -> Callable[[State], tzinfo]:
    given = bound.tag_strings("zone")
    if given is None:
        return lambda state: state.facts.zone
    text = compiler.text(given)
    if text.constant is not None:
        fixed = parse_zone(text.constant)
        if fixed is None:
            raise bound.error(f"{text.constant!r} is not a zone such as +0100", given.place)
        zone = fixed
        return lambda _state: zone

    def run(state: State) -> tzinfo:
        value = text.value(state)
        found = parse_zone(value)
        if found is None:
            raise RunError(f"{value!r} is not a zone such as +0100", bound.line)
        return found

    return run


def _date(bound: Bound, compiler: Compiler) -> TestOp:
    field = bound.strings(0)
    name = compiler.text(field)
    if name.constant is not None:
        check_field_name(name.constant, field.place)
    part = _part_of(bound.strings(1), bound, compiler)
    matches = compiler.matcher(bound, bound.strings(2)).strings
    index, zone = field_index(bound), _zone_of(bound, compiler)
    original = "originalzone" in bound.tags

    def run(state: State) -> bool:
        found = chosen(state.fields(name.value(state).lower()), 0 if index is None else index)
        when = moment_of(found[0], None if original else zone(state)) if found else None
        return when is not None and matches(state, (part(when),))

    return run


def _currentdate(bound: Bound, compiler: Compiler) -> TestOp:
    part = _part_of(bound.strings(0), bound, compiler)
    matches = compiler.matcher(bound, bound.strings(1)).strings
    zone = _zone_of(bound, compiler)
    return lambda state: matches(state, (part(moment(state.facts.now, zone(state))),))


_ZONE_TAGS = (TagSpec("zone", "string", group="zone"), TagSpec("originalzone", group="zone"))
TESTS = (
    TestSpec(Spec("date", ("string", "string", "strings"), (*MATCH_TAGS, *INDEX_TAGS, *_ZONE_TAGS), ("date",)), _date),
    TestSpec(Spec("currentdate", ("string", "strings"), (*MATCH_TAGS, _ZONE_TAGS[0]), ("date",)), _currentdate),
)
