"""TLS to other hosts on a running node: DANE with a signed zone and a validating resolver, MTA-STS with a real policy server,
demands of the administrator. Row OUT-7.

Each destination has a host at a loopback address of its own, with a good or a bad certificate.
"""

from __future__ import annotations

import email
import gzip
import http.server
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from support.authority import Authority
from support.knot import Knot, free_port
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background, server_context
from support.sending import queue, submit
from support.unbound import Unbound

POLICY_HOST = "127.0.7.43"
DOMAINS = {
    "dane-good": "127.0.7.1",
    "dane-anchor": "127.0.7.2",
    "dane-bad": "127.0.7.3",
    "dane-clear": "127.0.7.4",
    "sts-good": "127.0.7.5",
    "sts-bad": "127.0.7.6",
    "sts-testing": "127.0.7.7",
    "sts-elsewhere": "127.0.7.8",
    "sts-gone": "127.0.7.9",
    "asked": "127.0.7.10",
    "plain": "127.0.7.11",
    "dane-alias": "127.0.7.12",
    "dane-alias-bad": "127.0.7.13",
    "sts-kept": "127.0.7.14",
}
MODES = {"sts-testing": "testing"}
AWAY: set[str] = set()
"""Domains whose policies cannot be had just now."""
POSTED: list[tuple[str, str, dict[str, Any]]] = []
"""Reports that came in by HTTPS: about which domain, of which type, what they say."""


@dataclass
class Net:
    node: Node
    hosts: dict[str, ScriptedHost]


def records(hosts: dict[str, str], tlsa: dict[str, str], port: int) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for name, address in hosts.items():
        found[(f"{name}.test", "MX")] = [f"10 mx.{name}.test"]
        found[(f"mx.{name}.test", "A")] = [address]
        if "alias" in name:  # the MX is an alias; the records stand where it leads
            found[(f"mx.{name}.test", "CNAME")] = [f"host.{name}.test"]
            found[(f"host.{name}.test", "A")] = found.pop((f"mx.{name}.test", "A"))
            found[(f"_{port}._tcp.host.{name}.test", "TLSA")] = [tlsa[name]]
        elif name in tlsa:
            found[(f"_{port}._tcp.mx.{name}.test", "TLSA")] = [tlsa[name]]
        if name.startswith("sts-"):
            found[(f"_mta-sts.{name}.test", "TXT")] = ["v=STSv1; id=1"]
            found[(f"_smtp._tls.{name}.test", "TXT")] = [f"v=TLSRPTv1; rua=https://mta-sts.{name}.test/reports"]
            found[(f"mta-sts.{name}.test", "A")] = [POLICY_HOST]
        if name in ("dane-bad", "asked"):
            found[(f"_smtp._tls.{name}.test", "TXT")] = ["v=TLSRPTv1; rua=mailto:tls-reports@plain.test"]
    return found


class Policies(http.server.BaseHTTPRequestHandler):
    """Gives the policy of the domain that is asked by name."""

    def do_GET(self) -> None:
        name = self.headers["Host"].removeprefix("mta-sts.").removesuffix(".test")
        mx = "mx.other.test" if name == "sts-elsewhere" else f"mx.{name}.test"
        found = name in DOMAINS and name not in ("sts-gone", *AWAY) and self.path == "/.well-known/mta-sts.txt"
        body = f"version: STSv1\r\nmode: {MODES.get(name, 'enforce')}\r\nmx: {mx}\r\nmax_age: 86400\r\n".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        name = self.headers["Host"].removeprefix("mta-sts.").removesuffix(".test")
        packed = self.rfile.read(int(self.headers["Content-Length"]))
        POSTED.append((name, self.headers["Content-Type"], json.loads(gzip.decompress(packed))))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        return None


@contextmanager
def policy_server(authority: Authority) -> Iterator[None]:
    names = [f"mta-sts.{name}.test" for name in DOMAINS if name.startswith("sts-")]
    server = http.server.ThreadingHTTPServer((POLICY_HOST, 443), Policies)
    server.socket = authority.issue(*names).context(authority.folder).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder: Path = tmp_path_factory.mktemp("outgoing-tls")
    authority = Authority(folder / "authority")
    port = free_port()
    good = {name: authority.issue(f"{'host' if name == 'dane-alias' else 'mx'}.{name}.test") for name in DOMAINS}
    tlsa = {
        "dane-good": good["dane-good"].tlsa_ee,
        "dane-anchor": authority.tlsa_ta,
        "dane-bad": authority.issue("mx.dane-bad.test").tlsa_ee,
        "dane-clear": good["dane-clear"].tlsa_ee,
        "dane-alias": authority.tlsa_ta,
        "dane-alias-bad": authority.issue("mx.dane-alias-bad.test").tlsa_ee,
    }
    hosts = {}
    for name, address in DOMAINS.items():
        context = server_context() if name in ("sts-bad", "sts-testing", "plain") else good[name].context(folder)
        hosts[name] = ScriptedHost(address=address, port=port, context=None if name == "dane-clear" else context)
    with (
        Knot(folder / "knot", records(DOMAINS, tlsa, port), signed=True) as knot,
        Unbound(folder / "unbound", knot) as unbound,
        policy_server(authority),
        in_background(*hosts.values()),
        running(folder / "node", workers=1, extra=unbound.toml) as node,
    ):
        settings = {"port": str(port), "allow_loopback": "on", "first_retry_s": "600", "ca_file": str(authority.file)}
        for key, value in settings.items():
            node.run("setting", "set", f"queue.{key}", value)
        yield Net(node, hosts)


@pytest.fixture(autouse=True)
def empty_queue(net: Net) -> Iterator[None]:
    yield
    if left := [str(row["queue_id"]) for row in queue(net.node)]:
        net.node.run("queue", "delete", *left)


def delivered(net: Net, name: str) -> bool:
    """Sends one message to the domain; whether its host got it, over TLS."""
    return name in delivered_of(net, [name])


def delivered_of(net: Net, names: Iterable[str]) -> set[str]:
    """Sends one message to each of the domains; those whose hosts got it, over TLS."""
    before = {name: len(net.hosts[name].heard) for name in names}
    for name in before:
        submit(net.node, f"to {name}", f"x@{name}.test")

    def arrived() -> set[str]:
        return {name for name, count in before.items() if len(net.hosts[name].heard) > count}

    until(lambda: len(arrived()) == len(before) or all(waiting(net, name) for name in before.keys() - arrived()), 60.0)
    assert all(net.hosts[name].heard[-1].tls for name in arrived())
    return arrived()


def waiting(net: Net, name: str) -> str:
    """The last reply for a message that was tried and waits."""
    for row in queue(net.node):
        if f"x@{name}.test" in cast("list[str]", row["recipients"]) and row["last_reply"]:
            return str(row["last_reply"])
    return ""


@pytest.mark.spec_part("OUT-7")
@pytest.mark.parametrize("name", ["dane-good", "dane-anchor", "dane-alias", "sts-good", "plain", "sts-gone"])
def test_a_host_that_proves_what_its_domain_publishes_gets_its_mail(net: Net, name: str) -> None:
    assert delivered(net, name)


@pytest.mark.spec_part("OUT-7")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("dane-bad", "no TLSA record matches"),
        ("dane-alias-bad", "no TLSA record matches"),
        ("dane-clear", "TLS is required and not offered"),
        ("sts-bad", "TLS failed"),
        ("sts-elsewhere", "policy of the domain does not name it"),
    ],
)
def test_attack_a_host_that_does_not_prove_it_gets_nothing_and_the_mail_waits(net: Net, name: str, why: str) -> None:
    assert not delivered(net, name)
    assert why in waiting(net, name)


@pytest.mark.spec_part("OUT-7")
@pytest.mark.parametrize(("name", "tls"), [("dane-bad", True), ("dane-clear", False), ("sts-elsewhere", True)])
def test_who_says_that_tls_is_not_required_gets_their_mail_delivered(net: Net, name: str, tls: bool) -> None:  # noqa: FBT001
    submit(net.node, f"not secret, to {name}", f"x@{name}.test", fields="TLS-Required: No\r\n")
    until(lambda: net.hosts[name].heard)
    assert net.hosts[name].heard.pop().tls is tls, "encrypted all the same where that is possible (RFC 8689 §4.2.2)"


@pytest.mark.spec_part("OUT-7")
def test_a_policy_in_testing_holds_up_nothing(net: Net) -> None:
    assert delivered(net, "sts-testing")


@pytest.mark.spec_part("OUT-7")
def test_the_administrator_may_demand_a_certificate_of_a_domain(net: Net) -> None:
    net.node.run("setting", "set", "queue.tls_domains", "asked.test=verify", "plain.test=verify")
    try:
        assert delivered(net, "asked")
        assert not delivered(net, "plain")
    finally:
        net.node.run("setting", "reset", "queue.tls_domains")


@pytest.mark.spec_part("OUT-7")
def test_policies_are_kept_over_a_restart(net: Net) -> None:
    """While the site of the policy is away, somebody else stands in for its host."""
    assert delivered(net, "sts-kept")
    host = net.hosts["sts-kept"]
    honest, host.context = host.context, server_context("mx.sts-kept.test")
    AWAY.add("sts-kept")
    try:
        net.node.stop()
        net.node.start()
        assert not delivered(net, "sts-kept")
        assert "TLS failed" in waiting(net, "sts-kept")
    finally:
        AWAY.clear()
        host.context = honest
    net.node.run("queue", "delete", *[str(row["queue_id"]) for row in queue(net.node)])
    assert delivered(net, "sts-kept"), "the honest host again"


@pytest.mark.spec_part("MON-5")
def test_a_domain_without_a_policy_that_wants_to_be_told_of_tls_is(net: Net) -> None:
    assert delivered(net, "asked")

    def told() -> bool:
        net.node.run("report", "send", "--today")
        return report_about(net, "asked.test") is not None

    until(told, 60.0)
    report = reported(net, "asked.test")
    assert report["policy"] == {"policy-type": "no-policy-found", "policy-domain": "asked.test"}
    assert report["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}


@pytest.mark.spec("OUT-7")
@pytest.mark.spec_part("MON-5")
def test_policies_of_domains_and_site_hold_and_domains_are_told_how_tls_went(net: Net) -> None:
    net.node.run("setting", "set", "queue.tls_domains", "asked.test=verify", "plain.test=opportunistic")
    try:
        went = delivered_of(net, DOMAINS)
    finally:
        net.node.run("setting", "reset", "queue.tls_domains")
    refused = {"dane-bad", "dane-alias-bad", "dane-clear", "sts-bad", "sts-elsewhere"}
    assert DOMAINS.keys() - went == refused
    net.hosts["plain"].heard.clear()
    assert net.node.json("report", "send", "--today")["sent"] >= 3

    # by HTTPS, to each domain with a policy that could be had
    reports = {name: report for name, kind, report in POSTED if kind == "application/tlsrpt+gzip"}
    assert reports.keys() >= {"sts-good", "sts-bad", "sts-testing"}
    for name, counts in {"sts-good": (1, 0), "sts-bad": (0, 1)}.items():
        [policy] = reports[name]["policies"]
        assert policy["policy"]["policy-type"] == "sts" and policy["policy"]["policy-domain"] == f"{name}.test"
        summary = policy["summary"]
        sessions = (summary["total-successful-session-count"], summary["total-failure-session-count"])
        assert (
            sessions[0] >= counts[0]
            and sessions[1] >= counts[1]
            and not any(there and not wanted for there, wanted in zip(sessions, counts, strict=True))
        ), (name, sessions)
    assert reports["sts-bad"]["policies"][0]["failure-details"][0]["receiving-mx-hostname"] == "mx.sts-bad.test"

    # by mail, signed or not, about DANE
    told = reported(net, "dane-bad.test")
    assert told["policy"]["policy-type"] == "tlsa"
    assert told["summary"]["total-failure-session-count"] >= 1

    # nothing is told twice
    POSTED.clear()
    assert net.node.json("report", "send", "--today")["sent"] == 0
    assert POSTED == []


def reported(net: Net, domain: str) -> dict[str, Any]:
    """What the report by mail about a domain says; it has one policy."""
    message: email.message.Message = until(lambda: report_about(net, domain), 60.0)
    assert message["TLS-Report-Submitter"] and message["To"] == "<tls-reports@plain.test>"
    attached = next(part for part in message.walk() if part.get_content_type() == "application/tlsrpt+gzip")
    packed = attached.get_payload(decode=True)
    assert isinstance(packed, bytes)
    [told] = json.loads(gzip.decompress(packed))["policies"]
    assert isinstance(told, dict)
    return told


def report_about(net: Net, domain: str) -> email.message.Message | None:
    messages = [email.message_from_bytes(heard.content) for heard in net.hosts["plain"].heard]
    return next((each for each in messages if each["TLS-Report-Domain"] == domain), None)
