"""`posthouse check` on a running node against real DNS, a real time server's answer and the real disk. Row PLN-2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.knot import Knot
from support.node import Node, running
from support.time_server import time_server

HOST = "mx.example.test"
RECORDS = {
    (HOST, "A"): ["192.0.2.10"],
    ("192.0.2.10", "PTR"): [HOST],
    ("example.test", "MX"): [f"10 {HOST}"],
    ("example.test", "TXT"): ["v=spf1 ip4:192.0.2.10 -all"],
    ("_dmarc.example.test", "TXT"): ["v=DMARC1; p=reject"],
    ("2.0.0.127.list.test", "A"): ["127.0.0.2"],
    ("public.test", "A"): ["203.0.114.7"],
    ("7.114.0.203.list.test", "A"): ["127.0.0.4"],
    ("7.114.0.203.list.test", "TXT"): ["sent spam, see list.test"],
    ("2.0.0.127.clean.test", "A"): ["127.0.0.2"],
    ("www.public.test", "CNAME"): ["public.test"],
    ("alias.test", "MX"): ["10 www.public.test"],
    ("other.test", "MX"): ["10 elsewhere.test"],
    ("other.test", "TXT"): ["v=spf1 -all"],
}


@dataclass
class Net:
    node: Node
    clock: str
    knot: Knot


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("checks")
    with (
        Knot(folder / "knot", RECORDS) as knot,
        running(folder / "node", workers=1, name=HOST, extra=knot.toml) as node,
        time_server(90.0) as clock,
    ):
        yield Net(node, clock, knot)


def check(net: Net, *words: str) -> tuple[list[dict[str, Any]], int, str]:
    """The findings, the exit code, and what standard error said."""
    done = net.node.run("check", *words, "--json", check=False)
    return json.loads(done.stdout)["findings"], done.returncode, done.stderr


def state_of(findings: list[dict[str, Any]], start: str) -> tuple[str, str]:
    """The state and the advice of the finding that begins so."""
    [found] = [each for each in findings if each["found"].startswith(start)]
    return found["state"], found["advice"]


@pytest.mark.spec_part("PLN-2")
def test_a_host_whose_name_and_address_agree_is_in_order(net: Net) -> None:
    findings, code, _ = check(net, "host")
    assert [each["state"] for each in findings] == ["ok", "ok"]
    assert code == 0


@pytest.mark.spec_part("PLN-2")
def test_a_domain_is_told_what_to_publish(net: Net) -> None:
    findings, code, _ = check(net, "domain", "example.test")
    assert state_of(findings, "MX:")[0] == state_of(findings, "SPF:")[0] == state_of(findings, "DMARC:")[0] == "ok"
    assert state_of(findings, "DKIM: the domain has no key") == ("warning", "Make one: posthouse dkim add example.test")
    assert code == 0
    row = net.node.json("dkim", "add", "example.test")
    net.node.run("dkim", "rotate", "example.test")
    findings, code, complaint = check(net, "domain", "example.test")
    state, advice = state_of(findings, "DKIM:")
    assert state == "wrong" and row["zone_line"] in advice
    assert (code, complaint.strip()) == (1, "posthouse: 1 thing to put right")


@pytest.mark.spec_part("PLN-2")
def test_a_domain_whose_records_shut_this_node_out_is_wrong(net: Net) -> None:
    net.node.run("domain", "add", "other.test")
    findings, code, _ = check(net, "domain", "other.test")
    assert state_of(findings, "MX: elsewhere.test, not this node")[0] == "warning"
    assert state_of(findings, "MX: elsewhere.test has no address")[0] == "wrong"
    state, advice = state_of(findings, "SPF: v=spf1 -all gives fail for 192.0.2.10")
    assert state == "wrong" and "ip4:192.0.2.10" in advice
    assert state_of(findings, "DMARC: there is no record")[0] == "warning"
    assert code == 1


@pytest.mark.spec_part("PLN-2")
def test_what_was_published_meanwhile_is_seen_at_once(net: Net) -> None:
    net.node.run("domain", "add", "anew.test")
    assert state_of(check(net, "domain", "anew.test")[0], "SPF:")[0] == "warning"
    net.knot.publish({("anew.test", "TXT"): ["v=spf1 ip4:192.0.2.10 -all"]})
    assert state_of(check(net, "domain", "anew.test")[0], "SPF:")[0] == "ok"


@pytest.mark.spec_part("PLN-2")
def test_aliases_stand_where_names_must_not_be_aliases(net: Net) -> None:
    net.node.run("domain", "add", "alias.test")
    findings, code, _ = check(net, "domain", "alias.test")
    state, advice = state_of(findings, "MX: www.public.test is an alias (CNAME) of public.test")
    assert (state, code) == ("wrong", 1) and "name public.test" in advice
    net.node.run("smtp", "set", "hostname", "www.public.test")
    try:
        findings, _, _ = check(net, "host")
    finally:
        net.node.run("smtp", "set", "hostname", "")
    assert state_of(findings, "it is an alias (CNAME) of public.test")[0] == "warning"


@pytest.mark.spec_part("PLN-2")
def test_block_lists_of_others_are_asked_about_the_node(net: Net) -> None:
    net.node.run("smtp", "set", "hostname", "public.test")
    try:
        findings, code, _ = check(net, "reputation", "list.test", "clean.test", "silent.test")
    finally:
        net.node.run("smtp", "set", "hostname", "")
    assert state_of(findings, "listed by list.test: sent spam, see list.test")[0] == "wrong"
    assert state_of(findings, "not listed by clean.test")[0] == "ok"
    assert [each["state"] for each in findings if each["subject"] == "silent.test"] == ["unknown"]
    assert code == 1


@pytest.mark.spec_part("PLN-2")
def test_ports_certificates_and_disk_are_looked_at(net: Net) -> None:
    smtp = net.node.ports["smtp"]
    findings, code, _ = check(net, "port", f"127.0.0.1:{smtp}")
    closed = findings.pop()
    assert closed["state"] == "note" and "25 (mail of other hosts)" in closed["found"] and "[listen]" in closed["advice"]
    assert len(findings) == len(net.node.ports) + 2 and all(each["state"] == "ok" for each in findings)
    assert findings[-2]["found"].startswith(f"can be reached: 220 {HOST}")
    assert findings[-1]["found"] == "the name server answers over UDP and TCP"
    findings, code, _ = check(net, "port", "127.0.0.1:1")
    assert findings[-3]["state"] == "wrong" and code == 1
    findings, _, _ = check(net, "certificate")
    assert state_of(findings, "it is self-made")[0] == "warning"
    findings, _, _ = check(net, "disk")
    assert {each["area"] for each in findings} == {"disk"}


@pytest.mark.spec_part("PLN-2")
def test_a_clock_that_is_wrong_is_seen(net: Net) -> None:
    findings, code, _ = check(net, "clock", "--time-server", net.clock)
    assert findings[0]["state"] == "wrong" and "s behind" in findings[0]["found"]
    assert code == 1
    findings, code, _ = check(net, "clock", "--time-server", "127.0.0.1:1")
    assert (findings[0]["state"], code) == ("unknown", 0)


@pytest.mark.spec_part("PLN-2")
def test_check_alone_looks_at_everything_and_tells_people_line_by_line(net: Net) -> None:
    net.node.run("domain", "add", "lost.test")  # it has no records at all
    done = net.node.run("check", check=False)
    for area in ("host", "domain", "reputation", "certificate", "port", "clock", "disk"):
        assert f"  {area} " in done.stdout
    assert done.returncode == 1 and done.stderr.count("\n") == 1
