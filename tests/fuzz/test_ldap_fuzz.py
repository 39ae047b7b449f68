"""LDAP's octets and filters against anything (RFC 4511, 4515): one kind of error, nothing lost, no address that is syntax."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.ldap import ber, messages
from posthouse.protocols.ldap.client import ClientCore
from posthouse.protocols.ldap.filters import BadFilter, Filter, escaped
from support.scripted_ldap import entry, message, result

TEMPLATE = Filter.parse("(&(objectClass=person)(|(mail=%s)(proxyAddresses=smtp:%s)(uid=%u)(cn=*%u*)(!(dc=%d))))")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.binary(max_size=400))
def test_any_octets_are_a_message_or_malformed(octets: bytes) -> None:
    with contextlib.suppress(ber.Malformed):
        messages.read(octets)


@given(st.lists(st.tuples(st.binary(max_size=40), st.dictionaries(st.sampled_from("abc"), st.lists(st.binary(max_size=300)))),
                max_size=6), st.integers(1, 2**31 - 1), st.data())  # fmt: skip
@settings(max_examples=100)
def test_answers_come_out_the_same_however_they_are_cut(
    entries: list[tuple[bytes, dict[str, list[bytes]]]], number: int, data: st.DataObject
) -> None:
    stream = b"".join(message(number, entry(dn, values)) for dn, values in entries) + message(number, result(0x65, 4, "more"))
    core, found, rest = ClientCore(), [], stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += core.feed(rest[:size])
        rest = rest[size:]
    assert not core.holds_more
    assert [each.number for each in found] == [number] * (len(entries) + 1)
    assert found[-1].said == messages.Result(4, "more")
    for (dn, values), each in zip(entries, found[:-1], strict=True):
        assert each.said == messages.Entry(dn, {name: tuple(listed) for name, listed in values.items()})


@given(st.binary(min_size=1, max_size=200), st.integers(8, 64))
def test_a_stream_never_holds_more_than_its_bound(octets: bytes, bound: int) -> None:
    core = ClientCore(bound)
    try:
        for octet in octets:
            core.feed(bytes((octet,)))
            assert len(core._buffer) <= bound + 6
    except ber.Malformed:
        pass


@given(st.text(max_size=80) | st.text(st.sampled_from("()&|!=*\\%sud2aA:~<>. "), max_size=80))
def test_any_text_is_a_filter_or_a_bad_one(text: str) -> None:
    try:
        read = Filter.parse(text)
    except BadFilter:
        return
    encoded = read.encoded("jane", "corp.test")
    assert ber.whole(encoded, 0, len(encoded)) == len(encoded)


@given(TEXT, TEXT)
def test_an_address_is_always_one_value_of_the_filter(local: str, domain: str) -> None:
    """The shape of the filter, all its elements but the values' octets, is the same for every address."""
    assert shape(TEMPLATE.encoded(local or "x", domain or "y")) == shape(TEMPLATE.encoded("jane", "corp.test"))


@given(TEXT, TEXT)
def test_a_filter_for_people_means_the_same_as_the_one_that_is_sent(local: str, domain: str) -> None:
    local, domain = local or "x", domain or "y"
    assert Filter.parse(TEMPLATE.spelled(local, domain)).encoded("", "") == TEMPLATE.encoded(local, domain)


def shape(encoded: bytes) -> list[object]:
    """The tags of all constructed elements and of what is in them."""
    found: list[object] = []
    for tag, content in ber.elements(encoded):
        found.append([tag, shape(content)] if tag & 0x20 else tag)
    return found


@pytest.mark.parametrize(
    "text",
    ["", "(", "()", "(mail)", "(&)", "(!(a=b)(c=d))", "(a=b))", "((a=b))", "(a=\\2)", "(a=%x)", "(a>=*)", "(=b)", "(a b=c)",
     "(" * 30 + "a=b" + ")" * 30, "(!" * 25 + "(a=b)" + ")" * 25, "(a=" + "x" * 5_000 + ")", "(:=x)"],
)  # fmt: skip
def test_what_is_no_filter_is_told(text: str) -> None:
    with pytest.raises(BadFilter):
        Filter.parse(text)


def test_values_are_escaped_as_rfc_4515_has_it() -> None:
    assert escaped("a*b(c)d\\e\0") == "a\\2ab\\28c\\29d\\5ce\\00"
    assert Filter.parse("(cn=%u)").spelled("*)(uid=*", "x") == "(cn=\\2a\\29\\28uid=\\2a)"
    assert Filter.parse("mail=%s").encoded("*", "x.test") == ber.element(0xA3, ber.octets(b"mail"), ber.octets(b"*@x.test"))
    assert Filter.parse("(mail=*)").encoded("", "") == ber.octets(b"mail", 0x87)
    assert Filter.parse("(cn=a*b\\2a*c)").encoded("", "") == ber.element(
        0xA4, ber.octets(b"cn"),
        ber.element(ber.SEQUENCE, ber.octets(b"a", 0x80), ber.octets(b"b*", 0x81), ber.octets(b"c", 0x82)),
    )  # fmt: skip
    nested = Filter.parse("(memberOf:1.2.840.113556.1.4.1941:=cn=x)").encoded("", "")
    assert nested == ber.element(0xA9, ber.octets(b"1.2.840.113556.1.4.1941", 0x81), ber.octets(b"memberOf", 0x82),
                                 ber.octets(b"cn=x", 0x83), ber.element(0x84, b"\0"))  # fmt: skip
