"""The block list zone of a running node, asked by others' programs: dig, kdig, a resolver that asks label by label
(unbound), and another node's own block list check. Rows NET-3, NET-5, NET-6."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from support.clients import ImapWire, Wire, proxy_v1
from support.knot import Knot
from support.node import Node, running, until
from support.recursor import Recursor

ZONE = "bl.site.test"
LISTED, CLEAN = "192.0.2.66", "192.0.2.10"
NAMES = {
    (LISTED, "PTR"): ["bad.test"],
    (CLEAN, "PTR"): ["good.test"],
    ("bad.test", "A"): [LISTED],
    ("good.test", "A"): [CLEAN],
    ("good.test", "MX"): ["10 good.test"],
}


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node that keeps the list and serves it."""
    folder = tmp_path_factory.mktemp("keeper")
    with Node(folder, services=("smtp", "dnsbl"), workers=2, name="mx.site.test") as node:
        node.run("setting", "set", "zone.name", ZONE)
        node.run("reject", "add", LISTED, "--note", "sends junk since May")
        node.run("reject", "add", "2001:db8:66::/48", "198.51.", "spam.test")
        until(lambda: "127.0.0.2" in dig(node, "66.2.0.192"))
        yield node


def dig(node: Node, name: str, *more: str, program: str = "dig") -> str:
    port = str(node.ports["dnsbl"])
    full = f"{name}.{ZONE}" if name else ZONE
    words = [program, "@127.0.0.1", "-p", port, full, "+time=2", "+tries=1" if program == "dig" else "+retry=0", *more]
    return subprocess.run(words, capture_output=True, text=True, timeout=20).stdout


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize("over", ["+notcp", "+tcp"])
@pytest.mark.spec_part("NET-6")
def test_programs_of_others_are_answered_over_udp_and_tcp(keeper: Node, program: str, over: str) -> None:
    listed = dig(keeper, "66.2.0.192", "A", over, program=program)
    assert "NOERROR" in listed
    assert " aa" in listed.lower()
    assert f"66.2.0.192.{ZONE}." in listed
    assert "\tA\t127.0.0.2" in listed.replace("  ", "\t")
    assert '"sends junk since May"' in dig(keeper, "66.2.0.192", "TXT", over, program=program)
    absent = dig(keeper, "10.2.0.192", "A", over, program=program)
    assert "NXDOMAIN" in absent
    assert "SOA" in absent
    nibbles = "1." + "0." * 19 + "6.6.0.0.8.b.d.0.1.0.0.2"
    assert "127.0.0.2" in dig(keeper, nibbles, "A", over, program=program)
    assert "127.0.0.2" in dig(keeper, "www.spam.test", "A", over, program=program)
    assert "mx.site.test." in dig(keeper, "", "NS", over, program=program)
    assert "hostmaster.mx.site.test." in dig(keeper, "", "SOA", over, program=program)


def test_other_zones_and_transfers_are_refused(keeper: Node) -> None:
    port = keeper.ports["dnsbl"]
    query = dns.message.make_query("example.com", "A")
    assert dns.query.udp(query, "127.0.0.1", port=port, timeout=20).rcode() == dns.rcode.REFUSED
    assert "Transfer failed" in dig(keeper, "", "AXFR") or "failed" in dig(keeper, "", "AXFR")


@pytest.mark.spec_part("NET-6")
def test_a_change_is_served_at_once_and_raises_the_serial(keeper: Node) -> None:
    def serial() -> int:
        query = dns.message.make_query(ZONE, "SOA")
        found: int = dns.query.udp(query, "127.0.0.1", port=keeper.ports["dnsbl"], timeout=20).answer[0][0].serial
        return found

    before = serial()
    keeper.run("reject", "add", "203.0.113.5")
    assert "127.0.0.2" in dig(keeper, "5.113.0.203")
    assert serial() > before
    keeper.run("reject", "delete", "203.0.113.5")
    assert "NXDOMAIN" in dig(keeper, "5.113.0.203")


@pytest.mark.spec_part("NET-6")
def test_a_real_resolver_finds_listings_label_by_label(keeper: Node, tmp_path: Path) -> None:
    with Recursor(tmp_path / "recursor", {ZONE: keeper.ports["dnsbl"]}) as resolver:
        for name, listed in (
            (f"66.2.0.192.{ZONE}", True),
            (f"10.2.0.192.{ZONE}", False),
            ("1." + "0." * 19 + f"6.6.0.0.8.b.d.0.1.0.0.2.{ZONE}", True),
            (f"a.b.spam.test.{ZONE}", True),
            (f"2.0.0.127.{ZONE}", True),
            (f"1.0.0.127.{ZONE}", False),
        ):
            found = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=resolver.port, timeout=5)
            assert bool(found.answer) == listed, found
            assert found.rcode() == (dns.rcode.NOERROR if listed else dns.rcode.NXDOMAIN)


def test_garbage_over_both_harms_nobody(keeper: Node) -> None:
    port = keeper.ports["dnsbl"]
    pids = keeper.pids()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for number in range(2000):
            udp.sendto(
                struct.pack("!H", number) + bytes((number * 7 + at) & 255 for at in range(number % 300)), ("127.0.0.1", port)
            )
    for octets in (b"\xff\xff" + b"x" * 70_000, b"\0\0", b"\0", b"\0\x0c" + b"\0" * 12, b"GET / HTTP/1.1\r\n\r\n"):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as tcp:
            tcp.sendall(octets)
            tcp.shutdown(socket.SHUT_WR)
            while tcp.recv(4096):
                pass
    assert "127.0.0.2" in dig(keeper, "66.2.0.192")
    assert keeper.pids() == pids


def test_slow_and_idle_connections_end_and_others_are_served_meanwhile(keeper: Node) -> None:
    port = keeper.ports["dnsbl"]
    idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(150)]
    for peer in idle:
        peer.sendall(b"\0\x30")
    began = time.monotonic()
    assert "127.0.0.2" in dig(keeper, "66.2.0.192", "+tcp")
    assert time.monotonic() - began < 5.0
    assert idle[0].recv(10) == b"", "ended by the node"
    for peer in idle:
        peer.close()


def test_several_questions_on_one_connection_are_answered_in_order(keeper: Node) -> None:
    queries = [dns.message.make_query(f"{last}.2.0.192.{ZONE}", "A") for last in (66, 10, 66)]
    with socket.create_connection(("127.0.0.1", keeper.ports["dnsbl"]), timeout=30) as peer:
        peer.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in (query.to_wire() for query in queries)))
        found = [dns.query.receive_tcp(peer)[0] for _ in queries]
    assert [reply.id for reply in found] == [query.id for query in queries]
    assert [bool(reply.answer) for reply in found] == [True, False, True]


@pytest.mark.spec_part("NET-5")
@pytest.mark.spec("NET-6")
def test_another_node_asks_it_and_refuses_tags_and_exempts_by_it(keeper: Node, tmp_path: Path) -> None:
    """From the keeper's reject list, by way of a real resolver, to another gateway's verdict on mail; IPv4, IPv6 and domains;
    the list's own words; codes; weights; exemptions."""
    with (
        Knot(tmp_path / "knot", NAMES) as knot,
        Recursor(tmp_path / "recursor", {ZONE: keeper.ports["dnsbl"], **knot.stubs}) as resolver,
        running(tmp_path / "node", services=("smtp", "imap"), workers=1, extra=resolver.toml) as node,
    ):
        node.run("dnsbl", "add", ZONE, "--about", "both")
        node.run("smtp", "set", "proxy_networks", "127.0.0.1/32")
        node.run("smtp", "set", "tarpit_s", "0")
        until(lambda: greets(node))
        assert [row["text"] for row in node.json("dnsbl", "test", LISTED)] == ["sends junk since May"]
        assert node.json("dnsbl", "test", CLEAN) == []
        refused = f"554 5.7.1 Service unavailable; {LISTED} blocked using {ZONE}; sends junk since May"
        assert verdict(node, LISTED) == refused
        assert verdict(node, CLEAN).startswith("250")
        assert verdict(node, "2001:db8:66::1").startswith("554")
        assert verdict(node, "2001:db8:67::1").startswith("250")
        assert verdict(node, CLEAN, helo="mail.spam.test").startswith("554")
        told = str(node.json("mail", "trace", "--sender", "x@good.test"))
        assert f"{LISTED} is listed by {ZONE} (127.0.0.2): sends junk since May" in told, "refusals are on record"
        node.run("dnsbl", "set", ZONE, "--action", "tag", "--points", "77")
        until(lambda: verdict(node, LISTED).startswith("250"))
        assert verdict(node, LISTED, subject="tagged").startswith("250")
        assert f"X-RBL-Warning: {LISTED} is listed by {ZONE} (127.0.0.2): sends junk since May" in received(node, "tagged")
        node.run("dnsbl", "set", ZONE, "--codes", "127.0.0.9=5 127.0.0.2=1.5")
        node.run("dnsbl", "set", ZONE, "--exempt", "198.51.100.7")
        until(lambda: " 1.5" in str(node.json("dnsbl", "test", LISTED)) and not node.json("dnsbl", "test", "198.51.100.7"))
        node.run("dnsbl", "set", ZONE, "--action", "reject", "--codes", "127.0.0.9")
        assert verdict(node, LISTED).startswith("250"), "another code"
        node.run("dnsbl", "set", ZONE, "--codes", "")
        until(lambda: verdict(node, LISTED).startswith("554"))
        assert verdict(node, "198.51.100.7").startswith("250"), "exempt"


def greets(node: Node) -> bool:
    with Wire(node.ports["smtp"], first=proxy_v1(CLEAN)) as wire:
        wire.line()
        wire.send("EHLO good.test")
        return CLEAN.encode() in wire.line()


def verdict(node: Node, client: str, helo: str = "good.test", subject: str = "hello") -> str:
    """What becomes of a message: the first refusal, or the last reply."""
    with Wire(node.ports["smtp"], first=proxy_v1(client)) as wire:
        wire.line()
        for line in (f"HELO {helo}", "MAIL FROM:<x@good.test>", "RCPT TO:<jane@example.test>", "DATA"):
            wire.send(line)
            reply = wire.line()
            if reply[:1] not in b"23":
                return reply.decode().strip()
        wire.send(f"From: x@good.test\r\nSubject: {subject}\r\n\r\nhi\r\n.\r\n".encode())
        return wire.line().decode().strip()


def received(node: Node, subject: str) -> str:
    """The one message with this subject, in whichever mailbox it lies, unfolded."""
    with ImapWire(node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
        reader.login("jane@example.test")
        for mailbox in ("INBOX", '"Junk Mail"'):
            reader.good(f"EXAMINE {mailbox}")
            uids = reader.good(f'UID SEARCH SUBJECT "{subject}"').lines[-1].split()[2:]
            if uids:
                (found,) = reader.good(f"UID FETCH {uids[0].decode()} (BODY.PEEK[HEADER])").of("FETCH")
                return found.replace(b"\r\n ", b" ").decode()
    raise AssertionError(f"no message {subject}")
