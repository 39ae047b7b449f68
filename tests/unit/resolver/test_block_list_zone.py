"""The block list zone that the node serves (NET-6): right answers, none about what is not ours, bounded ones to anyone."""

from __future__ import annotations

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.backends.memory.reject_list import MemoryRejectList
from posthouse.base.errors import Temporary
from posthouse.model.block_list import reversed_address
from posthouse.model.reject import reject_entry
from posthouse.model.settings import Settings
from posthouse.protocols.dns import serving
from posthouse.protocols.dns.serving import Query
from posthouse.servers.dnsbl.allowance import Allowance, Turn
from posthouse.servers.dnsbl.answering import Answering

ZONE = "bl.site.test"
ENTRIES = ("192.0.2.0/24", "198.51.100.7", "2001:db8:66::/48", "spam.example", "a.b.deep.example", "127.0.0.0/8")


async def asked(message: dns.message.Message, *, client: str = "192.0.2.1", **changes: object) -> dns.message.Message | None:
    """What comes back, read by dnspython, which is strict."""
    octets = await answered(message.to_wire(), client, **changes)
    return dns.message.from_wire(octets) if octets is not None else None


async def answered(octets: bytes, client: str = "192.0.2.1", **changes: object) -> bytes | None:
    rejected = MemoryRejectList()
    await rejected.add([reject_entry(target, f"Note of {target}") for target in ENTRIES])
    settings = Settings().with_value("zone.name", ZONE)
    for name, value in changes.items():
        settings = settings.with_value(f"zone.{name.removeprefix('zone_')}", value)  # type: ignore[arg-type]
    answering = Answering(lambda: settings, rejected, lambda: "mx.site.test")
    found = serving.read_query(octets)
    if not isinstance(found, Query):
        return found
    return serving.fitting(await answering.answer(found, client), found)


async def ask(name: str, kind: str = "A", **changes: object) -> dns.message.Message:
    found = await asked(dns.message.make_query(f"{name}.{ZONE}" if name else ZONE, kind), **changes)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("what", "listed"),
    [
        ("192.0.2.9", True), ("198.51.100.7", True), ("198.51.100.8", False), ("2001:db8:66::1", True),
        ("2001:db8:67::1", False), ("127.0.0.2", True), ("127.0.0.1", False), ("::ffff:127.0.0.2", True),
        ("::ffff:127.0.0.1", False),
        ("spam.example", True), ("www.Spam.Example", True), ("notspam.example", False), ("a.b.deep.example", True),
        ("x.deep.example", False), ("test", True), ("invalid", False),
    ],
)  # fmt: skip
@pytest.mark.spec_part("NET-6")
async def test_what_is_listed_and_what_is_not(what: str, listed: bool) -> None:  # noqa: FBT001
    name = reversed_address(what) if what[0].isdigit() or ":" in what else what
    found = await ask(name)
    assert found.flags & dns.flags.AA
    if listed:
        assert found.rcode() == dns.rcode.NOERROR
        assert [rdata.to_text() for rdata in found.answer[0]] == ["127.0.0.2"]
        assert found.answer[0].ttl == 300
    else:
        assert found.answer == []
        [soa] = found.authority
        assert soa.rdtype == dns.rdatatype.SOA
        assert soa.name == dns.name.from_text(ZONE)
        assert (soa.ttl, soa[0].minimum) == (60, 60)
        assert found.rcode() == dns.rcode.NXDOMAIN


async def test_the_text_says_why() -> None:
    [text] = (await ask("9.2.0.192", "TXT")).answer
    assert text[0].strings == (b"Note of 192.0.2.0/24",)
    [test] = (await ask("2.0.0.127", "TXT")).answer
    assert b"RFC 5782" in test[0].strings[0]


@pytest.mark.parametrize("kind", ["AAAA", "MX", "NS", "SOA"])
async def test_a_listed_name_has_no_other_records(kind: str) -> None:
    found = await ask("9.2.0.192", kind)
    assert (found.rcode(), found.answer, len(found.authority)) == (dns.rcode.NOERROR, [], 1)


async def test_any_gets_one_small_answer() -> None:
    found = await ask("9.2.0.192", "ANY")
    assert [rrset.rdtype for rrset in found.answer] == [dns.rdatatype.A]


@pytest.mark.parametrize(
    "name", ["192", "0.192", "2.0.192", "2", "0.0.2", "8.b.d.0.1.0.0.2", "example", "deep.example", "b.deep.example"]
)
async def test_names_on_the_way_exist_without_records(name: str) -> None:
    found = await ask(name)
    assert (found.rcode(), found.answer, len(found.authority)) == (dns.rcode.NOERROR, [], 1)


async def test_the_zone_itself_has_soa_and_ns() -> None:
    [soa] = (await ask("", "SOA")).answer
    assert soa[0].mname.to_text() == "mx.site.test."
    assert soa[0].rname.to_text() == "hostmaster.mx.site.test."
    assert soa[0].serial > 0
    [ns] = (await ask("", "NS")).answer
    assert ns[0].target.to_text() == "mx.site.test."
    assert (await ask("", "A")).answer == []


@pytest.mark.parametrize("name", ["site.test", "example.com", "xbl.site.test", ".", "bl.site.test.example"])
async def test_what_is_not_in_the_zone_is_refused(name: str) -> None:
    found = await asked(dns.message.make_query(name, "A"))
    assert found is not None
    assert (found.rcode(), found.answer, found.authority) == (dns.rcode.REFUSED, [], [])


async def test_other_classes_other_opcodes_and_transfers_are_not_served() -> None:
    chaos = dns.message.make_query("version.bind", "TXT", rdclass=dns.rdataclass.CH)
    assert (found := await asked(chaos)) and found.rcode() == dns.rcode.REFUSED
    update = dns.message.make_query(ZONE, "SOA")
    update.set_opcode(dns.opcode.UPDATE)
    octets = await answered(update.to_wire())
    assert octets is not None
    assert octets[3] & 0x0F == dns.rcode.NOTIMP
    for kind in ("AXFR", "IXFR"):
        found = await asked(dns.message.make_query(ZONE, kind))
        assert found is not None
        assert found.answer == []


async def test_without_a_zone_or_from_elsewhere_everything_is_refused() -> None:
    assert (await ask("9.2.0.192", zone_name="")).rcode() == dns.rcode.REFUSED
    assert (await ask("9.2.0.192", clients=("10.0.0.0/8",))).rcode() == dns.rcode.REFUSED
    assert (await ask("9.2.0.192", clients=("192.0.2.",))).rcode() == dns.rcode.NOERROR


async def test_a_list_that_cannot_be_read_is_a_servers_failure() -> None:
    class Broken(MemoryRejectList):
        async def serial(self) -> int:
            raise Temporary("Database trouble")

    settings = Settings().with_value("zone.name", ZONE)
    answering = Answering(lambda: settings, Broken(), lambda: "mx.site.test")
    query = serving.read_query(dns.message.make_query(f"9.2.0.192.{ZONE}", "A").to_wire())
    assert isinstance(query, Query)
    assert dns.message.from_wire(await answering.answer(query, "192.0.2.1")).rcode() == dns.rcode.SERVFAIL


async def test_edns_is_understood_and_other_versions_of_it_are_not() -> None:
    found = await asked(dns.message.make_query(f"9.2.0.192.{ZONE}", "A", use_edns=0, payload=4096))
    assert found is not None
    assert (found.edns, found.payload) == (0, 1232)
    plain = await asked(dns.message.make_query(f"9.2.0.192.{ZONE}", "A"))
    assert plain is not None
    assert plain.edns == -1
    later = await asked(dns.message.make_query(f"9.2.0.192.{ZONE}", "A", use_edns=1))
    assert later is not None
    assert (later.rcode(), later.answer) == (dns.rcode.BADVERS, [])


async def test_letters_come_back_as_they_were_written() -> None:
    wire = dns.message.make_query(f"wWw.SpAm.eXaMpLe.{ZONE.upper()}", "A").to_wire()
    octets = await answered(wire)
    assert octets is not None
    assert b"\x03wWw\x04SpAm" in octets


async def test_what_does_not_fit_says_that_it_was_cut() -> None:
    long = ".".join(["a" * 60] * 3) + ".spam.example"
    query = dns.message.make_query(f"{long}.{ZONE}", "TXT")
    settings = Settings().with_value("zone.name", ZONE)
    rejected = MemoryRejectList()
    await rejected.add([reject_entry("spam.example", "x" * 200)])
    answering = Answering(lambda: settings, rejected, lambda: ".".join(["h" * 60] * 3))
    found = serving.read_query(query.to_wire())
    assert isinstance(found, Query)
    whole = await answering.answer(found, "192.0.2.1")
    assert len(serving.fitting(whole, found)) <= 512
    negative = serving.read_query(dns.message.make_query(f"{long[:-12]}none.example.{ZONE}", "A").to_wire())
    assert isinstance(negative, Query)
    reply = dns.message.from_wire(serving.fitting(await answering.answer(negative, "192.0.2.1"), negative))
    assert reply.flags & dns.flags.TC
    assert reply.answer == reply.authority == []


@pytest.mark.parametrize(
    "octets", [b"", b"\0" * 11, dns.message.make_response(dns.message.make_query("a.test", "A", id=7)).to_wire()]
)
async def test_no_word_to_what_is_no_question(octets: bytes) -> None:
    assert await answered(octets) is None


@pytest.mark.parametrize(
    "octets",
    [
        struct.pack("!HHHHHH", 7, 0, 0, 0, 0, 0),
        struct.pack("!HHHHHH", 7, 0, 2, 0, 0, 0) + b"\0\0\1\0\1" * 2,
        struct.pack("!HHHHHH", 7, 0, 1, 1, 0, 0) + b"\0\0\1\0\1",
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 9) + b"\0\0\1\0\1",
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + b"\x40a\0\0\1\0\1",
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + b"\1a",
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 2) + b"\0\0\1\0\1" + b"\0\0\x29\4\xd0\0\0\0\0\0\0" * 2,
        struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + b"\0\0\1\0\1" + b"\0\0\x29\4\xd0\0\0\0\0\xff\xff",
    ],
)
async def test_broken_questions_are_told_so_shortly(octets: bytes) -> None:
    reply = await answered(octets)
    assert reply is not None
    assert len(reply) == 12
    assert reply[3] & 0x0F == dns.rcode.FORMERR


@given(st.binary(max_size=600), st.booleans())
async def test_garbage_gets_nothing_large_and_breaks_nothing(garbage: bytes, headed: bool) -> None:  # noqa: FBT001
    octets = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 1) + garbage if headed else garbage
    reply = await answered(octets)
    assert reply is None or len(reply) <= 512


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.sampled_from([1, 2, 6, 16, 28, 255, 65535]), st.data())
async def test_any_name_in_the_zone_gets_a_reply_that_others_can_read(
    labels: list[bytes], kind: int, data: st.DataObject
) -> None:
    origin = b"\x02bl\x04site\x04test\0"
    name = b"".join(bytes((len(label),)) + label for label in labels) + origin
    edns = b"\0\0\x29\4\xd0\0\0\0\0\0\0" if data.draw(st.booleans()) else b""
    octets = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, int(bool(edns))) + name + struct.pack("!HH", kind, 1) + edns
    reply = await answered(octets)
    assert reply is not None
    read = dns.message.from_wire(reply)
    assert read.id == 7
    assert len(reply) < 3 * len(octets) + 200, "no amplifier"


def test_a_network_gets_so_many_answers_then_is_sent_to_tcp() -> None:
    now = 0.0
    allowance = Allowance(lambda: 10, lambda: now)
    first = [allowance.turn("192.0.2.7") for _ in range(10)]
    assert first == [Turn.ANSWER] * 10
    assert [allowance.turn("192.0.2.200") for _ in range(4)] == [Turn.CUT, Turn.SILENCE, Turn.CUT, Turn.SILENCE]
    assert allowance.turn("192.0.3.7") is Turn.ANSWER
    assert allowance.turn("2001:db8::1") is Turn.ANSWER
    now = 0.5
    assert [allowance.turn("192.0.2.7") for _ in range(6)] == [Turn.ANSWER] * 5 + [Turn.CUT]
    assert all(allowance.turn("127.0.0.1") is Turn.ANSWER for _ in range(50))


def test_forged_addresses_without_end_cost_bounded_memory() -> None:
    allowance = Allowance(lambda: 10, lambda: 0.0)
    for number in range(30_000):
        allowance.turn(f"{1 + number % 99}.{number >> 8 & 255}.{number & 255}.1")
    assert len(allowance._buckets) <= 10_000
