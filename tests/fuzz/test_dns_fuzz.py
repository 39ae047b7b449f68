"""DNS answers from anyone: read as dnspython reads them when they are good, refused when they lie, in bounded time always."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import struct
import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.dns.messages import MAX_RECORDS, TYPES, Answer, BadMessage, Question, read_answer
from posthouse.protocols.dns.names import BadName, labels_at, to_text, to_wire

VALUES = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "MX": st.tuples(st.integers(0, 65535), st.sampled_from([".", "mx.a.test.", "a.", "x" * 60 + ".test."])).map(
        lambda pair: f"{pair[0]} {pair[1]}"
    ),
    "TXT": st.lists(st.from_regex(r"[a-z0-9 =;:.~-]{0,200}", fullmatch=True), min_size=1, max_size=5).map(
        lambda words: " ".join(f'"{word}"' for word in words)
    ),
    "PTR": st.sampled_from(["host.a.test.", "a.", ".", "x.y.z.test."]),
    "TLSA": st.sampled_from(["3 1 1 " + "ab" * 32, "2 0 2 " + "00" * 64]),
}
NAMES = st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=6).map(".".join)


def response(name: str, kind: str, values: list[str], number: int = 7) -> dns.message.Message:
    made = dns.message.make_response(dns.message.make_query(dns.name.from_text(name), kind, id=number))
    if values:
        made.answer.append(dns.rrset.from_text(dns.name.from_text(name), 60, "IN", kind, *values))
    return made


def read(wire: bytes, name: str, kind: str, number: int = 7) -> Answer:
    return read_answer(wire, number, Question.of(name, kind))


@st.composite
def good_answers(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    kind = draw(st.sampled_from(sorted(VALUES)))
    return draw(NAMES), kind, draw(st.lists(VALUES[kind], min_size=1, max_size=8, unique=True))


@given(good_answers())
@settings(max_examples=300)
def test_good_answers_are_read_as_another_reader_reads_them(answer: tuple[str, str, list[str]]) -> None:
    name, kind, values = answer
    message = response(name, kind, values)
    found = read(message.to_wire(), name, kind)
    expected: set[object] = set()
    for rdata in message.answer[0]:
        text = rdata.to_text()
        if kind == "MX":
            expected.add((rdata.preference, rdata.exchange.to_text(omit_final_dot=True).lower().removesuffix(".")))
        elif kind == "TXT":
            expected.add(b"".join(rdata.strings))
        elif kind == "TLSA":
            expected.add((rdata.usage, rdata.selector, rdata.mtype, rdata.cert))
        else:
            expected.add(text.rstrip(".").lower() if kind == "PTR" else str(ipaddress.ip_address(text)))
    assert set(found.values) == expected
    assert (found.code, found.exists, found.ttl_s) == (0, True, 60)


@given(good_answers(), st.data())
@settings(max_examples=400)
def test_bent_answers_are_refused_or_read_never_worse(answer: tuple[str, str, list[str]], data: st.DataObject) -> None:
    name, kind, values = answer
    wire = bytearray(response(name, kind, values).to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for octets in (bytes(wire), bytes(wire[:cut])):
        with contextlib.suppress(BadMessage):
            read(octets, name, kind)


@given(st.binary(max_size=600), st.sampled_from(sorted(TYPES)))
@settings(max_examples=400)
def test_garbage_after_a_good_beginning_is_refused_or_read(garbage: bytes, kind: str) -> None:
    question = Question.of("a.test", kind)
    head = struct.pack("!HHHHHH", 7, 0x8180, 1, 40, 40, 40)
    with contextlib.suppress(BadMessage):
        read_answer(head + question.name + struct.pack("!HH", question.kind, 1) + garbage, 7, question)
    with contextlib.suppress(BadMessage):
        read_answer(garbage, 7, question)


@given(NAMES)
def test_names_go_there_and_back(name: str) -> None:
    wire = to_wire(name)
    assert wire == dns.name.from_text(name).to_wire()
    assert to_text(labels_at(wire, 0)[0]) == name


@pytest.mark.parametrize("name", ["a" * 64 + ".test", ".".join(["a" * 60] * 5), "a..b", ".a", "a\\.b", "ü" * 70])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        to_wire(name)


def test_odd_octets_in_a_name_are_written_out() -> None:
    wire = b"\x05a\r\n.b\x04test\0"
    assert to_text(labels_at(wire, 0)[0]) == "a\\013\\010\\046b.test"


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # itself
        b"\x01a\xc0\x0c",
        b"\xc0\xff",  # past the end
        b"\xc0",
        b"\x3f" + b"a" * 10,
        b"\x80a\0",
        (b"\x3f" + b"a" * 63) * 5 + b"\0",
        b"\xc0\x0e\xc0\x0c",
    ],
)
def test_names_that_loop_or_run_away_are_refused(name: bytes) -> None:
    with pytest.raises(BadName):
        labels_at(b"\0" * 12 + name, 12)


def test_a_chain_of_pointers_is_followed_only_so_far() -> None:
    wire = bytearray(b"\x01a\0")
    at = 0
    for _ in range(500):
        start = len(wire)
        wire += struct.pack("!H", 0xC000 | at)
        at = start
    with pytest.raises(BadName):
        labels_at(bytes(wire), at)


@pytest.mark.parametrize("change", ["number", "name", "type", "query", "no question", "two questions", "short"])
def test_answers_to_other_questions_are_not_ours(change: str) -> None:
    made = response("a.test", "A", ["192.0.2.66"])
    if change == "name":
        made = response("b.test", "A", ["192.0.2.66"])
    elif change == "type":
        made = response("a.test", "AAAA", ["2001:db8::66"])
    elif change == "query":
        made.flags &= ~dns.flags.QR
    wire = made.to_wire()
    if change == "no question":
        wire = wire[:4] + b"\0\0" + wire[6:]
    elif change == "two questions":
        wire = wire[:4] + b"\0\2" + wire[6:]
    elif change == "short":
        wire = wire[:11]
    with pytest.raises(BadMessage):
        read(wire, "a.test", "A", 8 if change == "number" else 7)


def test_the_case_of_letters_makes_no_difference() -> None:
    assert read(response("A.TeSt", "A", ["192.0.2.1"]).to_wire(), "a.test", "A").values == ("192.0.2.1",)


def test_records_of_other_names_are_passed_over() -> None:
    made = response("a.test", "A", [])
    made.answer.append(dns.rrset.from_text("victim.test.", 60, "IN", "A", "192.0.2.66"))
    made.answer.append(dns.rrset.from_text("b.test.", 60, "IN", "CNAME", "a.test."))
    assert read(made.to_wire(), "a.test", "A").values == ()


def test_aliases_are_followed_and_loops_of_them_are_not() -> None:
    made = response("a.test", "A", [])
    for one, other in (("a.test.", "b.test."), ("b.test.", "c.test.")):
        made.answer.append(dns.rrset.from_text(one, 30, "IN", "CNAME", other))
    made.answer.append(dns.rrset.from_text("c.test.", 60, "IN", "A", "192.0.2.1"))
    found = read(made.to_wire(), "a.test", "A")
    assert (found.values, found.ttl_s) == (("192.0.2.1",), 30)
    loop = response("a.test", "A", [])
    for one, other in (("a.test.", "b.test."), ("b.test.", "a.test.")):
        loop.answer.append(dns.rrset.from_text(one, 30, "IN", "CNAME", other))
    assert read(loop.to_wire(), "a.test", "A").values == ()


def test_absence_is_kept_as_long_as_the_zone_says() -> None:
    made = response("a.test", "A", [])
    made.set_rcode(dns.rcode.NXDOMAIN)
    made.authority.append(dns.rrset.from_text("test.", 900, "IN", "SOA", "ns.test. h.test. 1 2 3 4 120"))
    found = read(made.to_wire(), "a.test", "A")
    assert (found.exists, found.values, found.ttl_s) == (False, (), 120)


def test_data_of_the_wrong_length_is_passed_over() -> None:
    wire = response("a.test", "A", ["192.0.2.1"]).to_wire()
    bent = wire[:-6] + b"\x00\x05" + wire[-4:] + b"\x01"
    assert read(bent, "a.test", "A").values == ()


def test_an_answer_of_64_kib_costs_no_more_than_its_beginning() -> None:
    count = 4000
    addresses = [f"10.{number >> 8}.{number & 255}.1" for number in range(count)]
    wire = response("a.test", "A", addresses).to_wire(max_size=65535)
    assert len(wire) > 60_000
    began = time.process_time()
    found = read(wire, "a.test", "A")
    assert time.process_time() - began < 0.05
    assert len(found.values) == MAX_RECORDS


def test_the_dearest_message_that_was_found_is_read_in_bounded_time() -> None:
    """Records whose owners are chains of pointers as long as they may be."""
    chance = random.Random(1)
    question = Question.of("a" * 60 + ".test", "A")
    body = bytearray(struct.pack("!HHHHHH", 7, 0x8180, 1, 65535, 0, 0) + question.name + struct.pack("!HH", 1, 1))
    at = 12
    while len(body) < 16_000:
        start = len(body)
        body += (
            b"\x02ab" + struct.pack("!H", 0xC000 | at) + struct.pack("!HHIH", chance.choice([1, 5]), 1, 60, 4) + b"\xc0\x0c\0\0"
        )
        at = start if chance.random() < 0.9 else 12
    began = time.process_time()
    with contextlib.suppress(BadMessage):
        read_answer(bytes(body), 7, question)
    assert time.process_time() - began < 0.1
