"""What strangers at port 25 meet on a running node, one row after the other: NET-1 to NET-3, NET-5, INB-1, INB-4, INB-5.

They come by way of a balancer's PROXY header, each from an address of its own; DNS is a table that can also fall silent.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients import ImapWire, SmtpWire, proxy_v1
from support.desk import Desk
from support.node import Node, running, until
from support.zone import Zone

JANE = "jane@example.test"
GOOD, FORGED, NAMELESS, UNKNOWN, SIX = "192.0.2.10", "192.0.2.66", "192.0.2.67", "198.51.100.9", "2001:db8::10"
SENDER = "lena@good.test"
ADDRESSES = itertools.count(1)


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone() as made:
        made.add_host("mail.good.test", GOOD)
        made.add_host("six.good.test", SIX)
        made.add("66.2.0.192.in-addr.arpa", "PTR", "mail.good.test.")
        for number in range(10, 30):
            made.add_host(f"h{number}.bulk.test", f"203.0.113.{number}")
        made.add("good.test", "MX", "10 mail.good.test.")
        made.add("a-only.test", "A", GOOD)
        made.add("aaaa-only.test", "AAAA", SIX)
        made.add("nomail.test", "MX", "0 .")
        made.add("nothing.test", "TXT", '"just a text"')
        made.silence("100.51.198.in-addr.arpa")
        made.silence("dead.test")
        made.silence("silent-list.test")
        for list_zone in ("bl1.test", "bl2.test"):
            made.add(f"20.113.0.203.{list_zone}", "A", "127.0.0.4")
            made.add(f"20.113.0.203.{list_zone}", "TXT", f'"listed by {list_zone}"')
        yield made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, zone: Zone) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("strangers")
    with running(folder, services=("smtp", "submission", "imap", "admin"), workers=2, extra=zone.toml) as started:
        started.run("setting", "set", "lookup.check_timeout_s", "0.7")
        started.run("setting", "set", "lookup.greeting_timeout_s", "0.5")
        started.run("setting", "set", "mailauth.verify", "off")
        started.run("smtp", "set", "proxy_networks", "127.0.0.1/32")
        until(lambda: proxied(started))
        yield started


@pytest.fixture(scope="module")
def desk(node: Node) -> Iterator[Desk]:
    with Desk(node, first=proxy_v1("127.0.0.1")) as made:
        yield made


def proxied(node: Node) -> bool:
    """Whether every worker knows the balancer."""
    return all(GOOD in answer(node, GOOD, "EHLO mail.good.test") for _ in range(12))


@contextlib.contextmanager
def client(node: Node, address: str, service: str = "smtp") -> Iterator[SmtpWire]:
    with SmtpWire(node.ports[service], first=proxy_v1(address)) as wire:
        yield wire


def answer(node: Node, address: str, command: str) -> str:
    with client(node, address) as wire:
        assert wire.replies()[0].startswith("220")
        return wire.ask(command)


def verdict(
    node: Node, address: str, sender: str = SENDER, *, helo: str = "mail.good.test", to: str = JANE, text: str = "hi"
) -> str:
    """The first refusal on a message's way, or the reply to it."""
    with client(node, address) as wire:
        greeting = wire.replies()[0]
        if not greeting.startswith("220"):
            return greeting
        for command in (f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
            reply = wire.ask(command)
            if reply[0] not in "23":
                return reply
        return wire.ask(f"From: {sender}\r\nSubject: from {address}\r\n\r\n{text}\r\n.")


def story(desk: Desk, sender: str) -> str:
    """What the trace says of the newest message of a sender."""
    return "".join(desk.ask("mail", "trace", "--sender", sender, "--limit", "1"))


@pytest.mark.spec("NET-1")
def test_floods_of_one_client_are_refused_before_anything_else_and_others_are_not(node: Node, desk: Desk) -> None:
    """Open connections and new ones in 10 s, both set; IPv6 by /64; counted over both workers and all ports; trusted hosts
    exempt; off at first."""
    shown = "".join(desk.ask("setting", "list", "smtp"))
    for name, default in (("dos_prevention", "off"), ("max_open_per_address", "50"), ("max_new_per_address", "400")):
        assert re.search(rf"smtp\.{name}\W+{default}\b", shown), name
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            assert stack.enter_context(client(node, "203.0.113.28")).replies()[0].startswith("220"), "off until enabled"
    limits = {"tarpit_s": "0", "max_open_per_address": "10", "max_new_per_address": "40", "trusted_networks": "203.0.113.29/32"}
    with desk.settings(**limits, dos_prevention="on"):
        until(lambda: not greeted(node, ["203.0.113.10"] * 30)[20])
        eleventh_is_refused(node, ["203.0.113.11"] * 10, "203.0.113.11")
        eleventh_is_refused(node, [f"2001:db8:1::{number}" for number in range(10)], "2001:db8:1::ffff")
        with client(node, "203.0.113.18", "submission") as first, contextlib.ExitStack() as stack:
            assert first.replies()[0].startswith("220")
            for _ in range(9):
                assert stack.enter_context(client(node, "203.0.113.18")).replies()[0].startswith("220")
            until(lambda: greeted(node, ["203.0.113.18"]) == [False])
        assert all(greeted(node, [f"2001:db8:{number}::1" for number in range(100, 115)])), "a /64 each"
        assert all(greeted(node, ["203.0.113.29"] * 30)), "trusted"
        for _ in range(40):
            assert greeted(node, ["203.0.113.12"]) == [True], "one after the other"
        until(lambda: greeted(node, ["203.0.113.12"]) == [False])
        with client(node, "203.0.113.12") as wire:
            assert wire.replies()[0].startswith("421 4.")
            assert wire.ends()
        assert verdict(node, GOOD).startswith("250"), "another client"


def greeted(node: Node, addresses: list[str]) -> list[bool]:
    """Which of these, all open at once, are greeted."""
    with contextlib.ExitStack() as stack:
        return [stack.enter_context(client(node, address)).replies()[0].startswith("220") for address in addresses]


def eleventh_is_refused(node: Node, addresses: list[str], other: str) -> None:
    """While these are open, which are on both workers."""
    with contextlib.ExitStack() as stack:
        for address in addresses:
            assert stack.enter_context(client(node, address)).replies()[0].startswith("220")
        until(lambda: greeted(node, [other]) == [False])
        assert not any(greeted(node, [other])[0] for _ in range(10)), "by both workers, all the time"


@pytest.mark.spec("NET-2")
def test_names_are_verified_both_ways_told_and_their_lack_is_slowed(node: Node, desk: Desk, zone: Zone) -> None:
    assert answer(node, GOOD, "EHLO mail.good.test").splitlines()[0] == f"250 mx.example.test greets mail.good.test [{GOOD}]"
    assert answer(node, SIX, "HELO six.good.test") == f"250 mx.example.test greets six.good.test [IPv6:{SIX}]"
    assert answer(node, UNKNOWN, "EHLO x.test").splitlines()[0] == f"250 mx.example.test greets [{UNKNOWN}]"
    with client(node, "203.0.113.13") as wire:
        wire.replies()
        until(lambda: zone.asked["13.113.0.203.in-addr.arpa"], 30), "the look-up begins with the connection"
    with desk.settings(tarpit_s="0.3"):
        until(lambda: waits(node, FORGED)[1] >= 0.29)
        assert min(waits(node, FORGED)) >= 0.29, "every reply waits when the name leads elsewhere"
        assert min(waits(node, NAMELESS)) >= 0.29, "or when there is none"
        assert unslowed(node, GOOD), "a verified client does not wait"
        assert unslowed(node, UNKNOWN), "nor one that DNS says nothing about"
        assert verdict(node, FORGED).startswith("250"), "it is slowed, not refused"
        held_back_together(node)
    assert f"mail.good.test [{GOOD}]" in received(node, GOOD)
    assert "5.0" in "".join(desk.ask("setting", "get", "smtp.tarpit_s"))


def waits(node: Node, address: str) -> list[float]:
    """Seconds until the answers to EHLO, NOOP, MAIL and RSET."""
    found = []
    with client(node, address) as wire:
        wire.replies()
        for command in ("EHLO a.test", "NOOP", f"MAIL FROM:<{SENDER}>", "RSET"):
            began = time.monotonic()
            wire.ask(command)
            found.append(time.monotonic() - began)
    return found


def unslowed(node: Node, address: str) -> bool:
    """Whether this client waits for nothing; a busy machine gets three tries, who is slowed waits each time."""
    return any(max(waits(node, address)[1:]) < 0.25 for _ in range(3))


def held_back_together(node: Node) -> None:
    """Forty that are slowed wait side by side, without a thread each, and hold up nobody else."""
    threads = sum(thread_count(pid) for pid in node.pids())
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(client(node, NAMELESS)) for _ in range(40)]
        for wire in slow:
            wire.replies()
        began = time.monotonic()
        for wire in slow:
            wire.send("EHLO a.test")
        assert sum(thread_count(pid) for pid in node.pids()) <= threads + 4
        assert unslowed(node, GOOD)
        for wire in slow:
            wire.replies()
        assert time.monotonic() - began < 9.0, "one after the other they would take twelve"


def thread_count(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def received(node: Node, address: str) -> str:
    """The head of the message with the subject that ``verdict`` gives, unfolded."""
    with ImapWire(node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
        reader.login(JANE)
        reader.good("EXAMINE INBOX")
        uids = until(lambda: reader.good(f'UID SEARCH SUBJECT "from {address}"').lines[-1].split()[2:])
        (found,) = reader.good(f"UID FETCH {uids[-1].decode()} (BODY.PEEK[HEADER])").of("FETCH")
    return found.decode().replace("\r\n\t", " ").replace("\r\n ", " ")


@pytest.mark.spec("NET-3")
def test_networks_hosts_and_senders_in_the_reject_list_are_refused(node: Node, desk: Desk) -> None:
    desk.ask("reject", "add", "203.0.113.14/31", "100.64.", "2001:db8:bad::/48", "--note", "we know you")
    until(lambda: verdict(node, "203.0.113.15").startswith("554"))
    for listed in ("203.0.113.14", "100.64.200.1", "2001:db8:bad:1::9"):
        with client(node, listed) as wire:
            assert wire.replies()[0].startswith("554 5.7.1"), "refused before a word is spoken"
            assert wire.ends()
    with desk.settings(tarpit_s="0"):
        assert verdict(node, "203.0.113.16").startswith("250")
        desk.ask("reject", "add", "bulk.test", "good.test")
        until(lambda: verdict(node, "203.0.113.16", "x@a-only.test").startswith("554"))
        until(lambda: "h16.bulk.test is in bulk.test" in story(desk, "x@a-only.test")), "the client's verified name"
        assert verdict(node, FORGED, "x@sub.good.test").startswith("554"), "the sender's domain, and what lies below"
        assert verdict(node, GOOD, "x@a-only.test").startswith("554"), "a listed domain covers its hosts"
        assert verdict(node, NAMELESS, "x@a-only.test", helo="a.test").startswith("250")
        desk.ask("reject", "delete", "bulk.test", "good.test", "100.64.0.0/16", "203.0.113.14/31", "2001:db8:bad::/48")
        until(lambda: verdict(node, "203.0.113.14").startswith("250"))
    assert desk.ask("reject", "list") == []


@pytest.mark.spec("NET-5")
def test_block_lists_are_asked_at_once_for_a_bounded_time_and_answers_are_kept(node: Node, desk: Desk, zone: Zone) -> None:
    for name in ("bl1.test", "bl2.test", "silent-list.test"):
        desk.ask("dnsbl", "add", name, "--action", "tag", "--points", "12")
    until(lambda: len(desk.ask("dnsbl", "test", "203.0.113.20")) == 2)
    began = time.monotonic()
    assert verdict(node, "203.0.113.20").startswith("250"), "a list that does not answer lists nobody"
    assert time.monotonic() - began < 8.0
    head = received(node, "203.0.113.20")
    assert "X-RBL-Warning: 203.0.113.20 is listed by bl1.test (127.0.0.4): listed by bl1.test" in head
    assert "X-RBL-Warning: 203.0.113.20 is listed by bl2.test (127.0.0.4): listed by bl2.test" in head
    for _ in range(6):
        assert verdict(node, "203.0.113.20").startswith("250")
    assert zone.asked["20.113.0.203.bl1.test"] <= 6, "twice (A, TXT) for each process, then from what is kept"
    desk.ask("dnsbl", "set", "bl2.test", "--action", "reject")
    until(lambda: verdict(node, "203.0.113.20").startswith("554"))
    assert verdict(node, "203.0.113.20").endswith("203.0.113.20 blocked using bl2.test; listed by bl2.test")
    assert verdict(node, GOOD).startswith("250")
    for name in ("bl1.test", "bl2.test", "silent-list.test"):
        desk.ask("dnsbl", "delete", name)
    lists_of_addresses_have_codes_weights_and_exemptions(node, desk, zone)
    lists_of_domains_are_about_senders_and_links(node, desk, zone)


def lists_of_addresses_have_codes_weights_and_exemptions(node: Node, desk: Desk, zone: Zone) -> None:
    """Each with a list of its own, since answers are kept."""
    nibbles = ".".join(reversed(ipaddress.ip_address(SIX).exploded.replace(":", "")))
    zone.add(f"{nibbles}.six.test", "A", "127.0.0.2")
    desk.ask("dnsbl", "add", "six.test")
    until(lambda: verdict(node, SIX).startswith("554"))
    desk.ask("dnsbl", "delete", "six.test")
    for name in ("codes.test", "weights.test", "exempt.test"):
        zone.add(f"21.113.0.203.{name}", "A", "127.0.0.7")
    desk.ask("dnsbl", "add", "codes.test", "--codes", "127.0.0.2-127.0.0.6")
    desk.ask("dnsbl", "add", "exempt.test", "--exempt", "203.0.113.16/28")
    desk.ask("dnsbl", "add", "weights.test", "--action", "tag", "--codes", "127.0.0.7=31")
    until(lambda: "scored (block-lists weights.test)" in scored(node, desk, "203.0.113.21"))
    other = points(scored(node, desk, "203.0.113.22"))
    until(lambda: points(scored(node, desk, "203.0.113.21")) == other + 31)
    assert not re.search(r"(codes|exempt)\.test", scored(node, desk, "203.0.113.21")), "another code; an exempt network"
    desk.ask("dnsbl", "set", "codes.test", "--codes", "127.0.0.2-127.0.0.7")
    until(lambda: verdict(node, "203.0.113.21").startswith("554"))
    for name in ("codes.test", "weights.test", "exempt.test"):
        desk.ask("dnsbl", "delete", name)


def lists_of_domains_are_about_senders_and_links(node: Node, desk: Desk, zone: Zone) -> None:
    zone.add("a-only.test.domains.test", "A", "127.0.0.2")
    zone.add("pills.test.domains.test", "A", "127.0.0.2")
    desk.ask("dnsbl", "add", "domains.test", "--about", "domain", "--action", "tag", "--points", "17")
    until(lambda: "scored (block-lists domains.test): a-only.test" in scored(node, desk, GOOD, "x@a-only.test"))
    until(lambda: "LINK_DOMAINS_TEST 17" in scored(node, desk, GOOD, text="See http://www.pills.test/buy today"))
    assert "domains.test" not in scored(node, desk, GOOD).lower()
    desk.ask("dnsbl", "delete", "domains.test")


def points(told: str) -> int:
    found = re.search(r"\(antispam total\): (\d+) of 50 points", told)
    assert found, told
    return int(found[1])


def scored(node: Node, desk: Desk, address: str, sender: str = SENDER, *, text: str = "hi") -> str:
    """What the trace says of a message's score, once it is told."""
    taken = verdict(node, address, sender, text=text)
    assert taken.startswith("250"), taken
    return "".join(until(lambda: desk.ask("mail", "trace", "--id", taken.split()[-1])))


@pytest.mark.spec("INB-1")
def test_greetings_are_compared_and_lies_are_refused(node: Node, desk: Desk) -> None:
    for malformed in ("-x-", "a..b", "[1.2.3]", "192.0.2.10", "a/b", "<script>"):
        assert answer(node, GOOD, f"EHLO {malformed}").startswith("501"), malformed
    for ours in ("mx.example.test", "MX.Example.Test."):
        assert answer(node, GOOD, f"HELO {ours}").startswith("550")
    with client(node, GOOD, "submission") as wire:
        wire.replies()
        assert wire.ask("EHLO OFFICE_PC").startswith("250"), "users' programs know no better name"
    assert verdict(node, GOOD, helo="other.test").startswith("250")
    until(lambda: "greeted as other.test, its address is mail.good.test" in story(desk, SENDER))
    with desk.settings(helo_mismatch="reject"):
        until(lambda: verdict(node, GOOD, helo="other.test").startswith("550"))
        assert verdict(node, GOOD).startswith("250")
        assert verdict(node, UNKNOWN, helo="other.test").startswith("250"), "without DNS there is nothing to compare"
    with desk.settings(helo_check="off"):
        until(lambda: answer(node, GOOD, "EHLO a..b").startswith("250"))
        assert answer(node, GOOD, "EHLO mx.example.test").startswith("250")


@pytest.mark.spec("INB-4")
def test_senders_whose_domain_takes_no_mail_are_refused(node: Node, desk: Desk) -> None:
    for taken in (SENDER, "x@a-only.test", "x@aaaa-only.test", "", "x@[192.0.2.10]", "omar@example.org"):
        assert verdict(node, GOOD, taken).startswith("250"), taken
    assert verdict(node, GOOD, "x@nowhere.test").startswith("550 5.1.8")
    assert verdict(node, GOOD, "x@nothing.test").startswith("550 5.1.8")
    assert verdict(node, GOOD, "x@nomail.test").startswith("550 5.7.27")
    began = time.monotonic()
    assert verdict(node, GOOD, "x@dead.test").startswith("451 4.4.3")
    assert time.monotonic() - began < 8.0
    until(lambda: "dead.test" in story(desk, "x@dead.test"))
    with desk.settings(sender_check="off"):
        until(lambda: verdict(node, GOOD, "x@nowhere.test").startswith("250"))


@pytest.mark.spec_part("INB-5")
def test_who_harvests_addresses_is_slowed_on_all_connections_and_nobody_else(node: Node, desk: Desk) -> None:
    with desk.settings(harvest_delay_s="0.3", harvest_delay_max_s="0.4", harvest_free="3"):
        until(lambda: harvested(node, f"203.0.113.{next(ADDRESSES) % 5 + 21}", 5) >= 0.3)
        assert harvested(node, "203.0.113.26", 6) >= 0.3
        assert waits(node, "203.0.113.26")[1] >= 0.3, "on another connection too"
        assert unslowed(node, GOOD)


def harvested(node: Node, address: str, guesses: int) -> float:
    """Seconds that the last of so many guesses took."""
    with client(node, address) as wire:
        wire.replies()
        wire.ask("EHLO a.test")
        wire.ask(f"MAIL FROM:<{SENDER}>")
        for number in range(guesses):
            began = time.monotonic()
            assert wire.ask(f"RCPT TO:<guess{number}@example.test>").startswith("550 5.1.1")
    return time.monotonic() - began


def test_a_message_that_waits_for_dns_at_every_turn_is_answered_within_its_budget(node: Node, desk: Desk) -> None:
    desk.ask("setting", "set", "lookup.message_timeout_s", "2")
    desk.ask("dnsbl", "add", "silent-list.test", "--about", "both")
    threads = [threading.Thread(target=verdict, args=(node, "198.51.100.77", "x@dead.test")) for _ in range(20)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    assert verdict(node, GOOD, helo="mail.good.test")[:3] in ("250", "451")
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 12.0
    desk.ask("dnsbl", "delete", "silent-list.test")
    desk.ask("setting", "reset", "lookup.message_timeout_s")
