"""address and envelope (RFC 5228 §5.1, §5.4), with the parts user and detail (RFC 5233)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.content.sieve.compiler import Compiler
from posthouse.content.sieve.fieldvalues import chosen, field_index, field_names, parts_of
from posthouse.content.sieve.specs import ADDRESS_PART_TAGS, INDEX_TAGS, MATCH_TAGS, MIME_TAGS, Bound, Spec, TestSpec
from posthouse.content.sieve.state import State, TestOp
from posthouse.content.sieve.text import values
from posthouse.formats import headers
from posthouse.formats.addresslist import spelled

ENVELOPE_PARTS = ("from", "to", "auth")
Piece = Callable[[str, str, str], str | None]
"""(local part, domain, delimiter) to the value that is compared, None if the address has no such part."""


def _all(local: str, domain: str, _delimiter: str) -> str | None:
    return spelled(local, domain)


def _local(local: str, _domain: str, _delimiter: str) -> str | None:
    return local


def _domain(_local: str, domain: str, _delimiter: str) -> str | None:
    return domain


def _user(local: str, _domain: str, delimiter: str) -> str | None:
    return local.partition(delimiter)[0] if delimiter else local


def _detail(local: str, _domain: str, delimiter: str) -> str | None:
    _, found, detail = local.partition(delimiter) if delimiter else (local, "", "")
    return detail if found else None


_PIECES: dict[str, Piece] = {"": _all, "all": _all, "localpart": _local, "domain": _domain, "user": _user, "detail": _detail}


def _piece_of(bound: Bound) -> Piece:
    return _PIECES[bound.one_of("all", "localpart", "domain", "user", "detail")]


def _address(bound: Bound, compiler: Compiler) -> TestOp:
    matches = compiler.matcher(bound, bound.strings(1)).strings
    names = field_names(bound.strings(0), compiler)
    piece, index = _piece_of(bound), field_index(bound)
    mime, any_child = "mime" in bound.tags, "anychild" in bound.tags
    if any_child and not mime:
        raise bound.error(":anychild needs :mime", bound.tag_places["anychild"])

    def run(state: State) -> bool:
        found: list[str] = []
        parts = parts_of(state, any_child=any_child) if mime else (state.message.root,)
        for part in parts:
            for name in values(names, state):
                for value in chosen(_raw(state, part is state.message.root, part, name.lower()), index):
                    found += _addresses(value, piece, state.facts.delimiter)
        return matches(state, found)

    return run


def _raw(state: State, top: bool, part: object, name: str) -> Sequence[str]:  # noqa: FBT001
    if top:
        return state.message.raw_fields(name) if state.edited is None else state.edited.values(name)
    return state.message.part_fields(part, name)  # type: ignore[arg-type]


def _addresses(value: str, piece: Piece, delimiter: str) -> list[str]:
    found = [piece(local, domain, delimiter) for _, local, domain in headers.addresses(value)]
    return [each for each in found if each is not None]


def _envelope(bound: Bound, compiler: Compiler) -> TestOp:
    matches = compiler.matcher(bound, bound.strings(1)).strings
    parts = bound.strings(0)
    wanted = [part.lower() for part in parts.values]
    for part in wanted:
        if part not in ENVELOPE_PARTS:
            raise bound.error(f"the envelope has no part {part!r}; it has {', '.join(ENVELOPE_PARTS)}", parts.place)
    piece = _piece_of(bound)

    def run(state: State) -> bool:
        found: list[str] = []
        for part in wanted:
            for address in _envelope_part(state, part):
                local, at, domain = address.rpartition("@")
                value = piece(local, domain, state.facts.delimiter) if at else piece(address, "", state.facts.delimiter)
                if value is not None:
                    found.append(value)
        return matches(state, found)

    return run


def _envelope_part(state: State, part: str) -> Sequence[str]:
    facts = state.facts
    if part == "from":
        return (facts.sender,)
    if part == "auth":
        return (facts.envelope_auth,) if facts.envelope_auth else ()
    return (facts.recipient,) if facts.recipient else facts.recipients


TESTS = (
    TestSpec(Spec("address", ("strings", "strings"), (*MATCH_TAGS, *ADDRESS_PART_TAGS, *INDEX_TAGS, *MIME_TAGS[:2])), _address),
    TestSpec(Spec("envelope", ("strings", "strings"), (*MATCH_TAGS, *ADDRESS_PART_TAGS), extension=("envelope",)), _envelope),
)
