"""Outbound mail of a running node over real sockets: next hops, MX and address failover, DSNs, retries, operations, traces.

Rows OUT-6, RTE-1, RTE-5, INB-9. `far` is a second node; `node` finds it by a real DNS server, by routes and by the smart host.
"""

from __future__ import annotations

import itertools
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from support.knot import Knot
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background, server_context
from support.sending import JANE, inbox, queue, reports, submit, until_queue_is_empty, with_subject

OMAR = "omar@faraway.test"
RECORDS = {
    ("faraway.test", "MX"): ["10 dead.faraway.test", "20 mx.faraway.test"],
    ("dead.faraway.test", "A"): ["127.0.0.2"],
    ("mx.faraway.test", "AAAA"): ["::1"],
    ("mx.faraway.test", "A"): ["127.0.0.1"],
    ("six.test", "MX"): ["10 mx.six.test"],
    ("mx.six.test", "AAAA"): ["::1"],
    ("null.test", "MX"): ["0 ."],
    **{(f"d{number}.test", "A"): [f"127.0.1.{number}"] for number in range(1, 21)},
}


@dataclass
class Net:
    """``port`` is every mail host's."""

    node: Node
    far: Node
    port: int


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("outbound")
    far = Node(folder / "far", services=("smtp", "lmtp", "pop3"), workers=1, name="mx.faraway.test")
    with Knot(folder / "knot", RECORDS) as knot, far, running(folder / "node", workers=1, extra=knot.toml) as node:
        far.run("domain", "add", "faraway.test")
        far.add_user(OMAR)
        far.run("route", "add", "example.test", f"127.0.0.1:{node.ports['smtp']}")
        settings = {
            "port": far.ports["smtp"],
            "allow_loopback": "on",
            "first_retry_s": "0.3",
            "max_retry_s": "1",
            "connection_keep_s": "0.5",
        }
        for key, value in settings.items():
            node.run("setting", "set", f"queue.{key}", str(value))
        yield Net(node, far, far.ports["smtp"])


@pytest.fixture(autouse=True)
def empty_queue(net: Net) -> Iterator[None]:
    """A test that fails leaves nothing to the next."""
    yield
    if left := [str(row["queue_id"]) for row in queue(net.node)]:
        net.node.run("queue", "delete", *left)


@contextmanager
def changed(node: Node, key: str, value: str) -> Iterator[None]:
    """A setting changed for a while."""
    before = str(node.json("setting", "get", key)["value"])
    node.run("setting", "set", key, value)
    try:
        yield
    finally:
        node.run("setting", "set", key, before)


@contextmanager
def routed(node: Node, target: str, hop: str) -> Iterator[None]:
    node.run("route", "add", target, hop)
    try:
        yield
    finally:
        node.run("route", "delete", target)


def always(step: str, said: str) -> Callable[[str, int, str], str | None]:
    return lambda now, connection, argument: said if now == step else None


# --- where mail goes


@pytest.mark.spec_part("RTE-1", "RTE-5")
@pytest.mark.parametrize(
    ("hop", "protocol"),
    [("smtp://127.0.0.1:{smtp}/required", "ESMTPS"), ("127.0.0.1:{smtp}/off", "ESMTP"), ("lmtp://127.0.0.1:{lmtp}", "LMTP")],
)
def test_a_routed_domain_goes_to_its_host_by_the_protocol_and_tls_that_the_route_says(
    net: Net, hop: str, protocol: str
) -> None:
    subject = f"by route {protocol}"
    with routed(net.node, "faraway.test", hop.format(**net.far.ports)):
        submit(net.node, subject, OMAR)
        message = with_subject(net.far, subject, OMAR)
    first, second = message.get_all("Received", [])
    assert f"with {protocol}" in first
    assert "mx.example.test" in first
    assert "with ESMTPA" in second
    assert message.get_all("Return-Path") == [f"<{JANE}>"]
    until_queue_is_empty(net.node)


def whom(host: ScriptedHost) -> list[str]:
    """All recipients of the messages that a host took."""
    return sorted(line[9:-1] for heard in host.heard for line in heard.recipients)


@pytest.mark.spec("RTE-1")
def test_domains_single_users_catch_all_and_the_smart_host_each_lead_to_their_host(net: Net) -> None:
    smart, single, domain, mailboxes = (
        ScriptedHost(),
        ScriptedHost(),
        ScriptedHost(context=server_context()),
        ScriptedHost(lmtp=True),
    )
    with (
        in_background(smart, single, domain, mailboxes),
        changed(net.node, "route.smart_host", f"127.0.0.1:{smart.port}"),
        routed(net.node, "vip@anywhere.test", f"127.0.0.1:{single.port}"),
        routed(net.node, "behind.test", f"127.0.0.1:{domain.port}/required"),
        routed(net.node, "store.test", f"lmtp://127.0.0.1:{mailboxes.port}/off"),
    ):
        net.node.run("domain", "add", "caught.test", "--catch-all", JANE)
        everyone = [
            "x@anywhere.test",
            "vip@anywhere.test",
            "y@nowhere.test",
            "a@behind.test",
            "b@store.test",
            "any@caught.test",
        ]
        submit(net.node, "to all sides", *everyone)
        until_queue_is_empty(net.node)
    assert with_subject(net.node, "to all sides")
    assert whom(smart) == ["x@anywhere.test", "y@nowhere.test"]
    assert [whom(single), whom(domain), whom(mailboxes)] == [["vip@anywhere.test"], ["a@behind.test"], ["b@store.test"]]
    assert (domain.heard[0].tls, mailboxes.commands[0]) == (True, "LHLO mx.example.test")


@pytest.mark.spec("RTE-5")
def test_mail_goes_to_a_store_by_lmtp_by_smtp_or_straight_in(net: Net) -> None:
    net.far.add_user("mei@faraway.test")
    with (
        routed(net.node, OMAR, f"lmtp://127.0.0.1:{net.far.ports['lmtp']}"),
        routed(net.node, "faraway.test", f"127.0.0.1:{net.far.ports['smtp']}"),
    ):
        trace_id = submit(net.node, "three ways", OMAR, "mei@faraway.test", JANE)
        by_lmtp = with_subject(net.far, "three ways", OMAR)["Received"]
        by_smtp = with_subject(net.far, "three ways", "mei@faraway.test")["Received"]
        straight = with_subject(net.node, "three ways")
    assert "with LMTPS" in by_lmtp
    assert "with ESMTPS" in by_smtp
    assert len(straight.get_all("Received", [])) == 1
    assert trace_id in straight["Received"]


@pytest.mark.spec_part("RTE-1")
def test_mail_for_a_routed_domain_is_accepted_from_strangers(net: Net) -> None:
    backend = ScriptedHost()
    with in_background(backend), routed(net.node, "behind.test", f"127.0.0.1:{backend.port}"):
        net.node.send("any@behind.test", "Subject: through\r\n\r\nx\r\n")
        until(lambda: backend.heard)
    assert backend.heard[0].recipients == ["RCPT TO:<any@behind.test>"]


@pytest.mark.spec_part("OUT-6")
def test_mx_hosts_and_their_addresses_are_tried_in_order_and_what_is_dead_is_passed_over(net: Net) -> None:
    """The first MX is dead, the second one's IPv6 address too."""
    trace_id = submit(net.node, "by mx", OMAR)
    assert "with ESMTPS" in with_subject(net.far, "by mx", OMAR)["Received"]
    until_queue_is_empty(net.node)
    story = "\n".join(net.node.run("mail", "trace", trace_id).stdout.splitlines())
    assert "mx.faraway.test[127.0.0.1]" in story


@pytest.mark.spec_part("OUT-6")
def test_a_host_with_an_ipv6_address_only_is_reached(net: Net) -> None:
    host = ScriptedHost(address="::1", port=net.port, context=server_context())
    with in_background(host):
        submit(net.node, "by six", "x@six.test")
        until_queue_is_empty(net.node)
    assert [heard.tls for heard in host.heard] == [True]


@pytest.mark.parametrize(
    ("address", "status"), [("x@null.test", "5.1.10"), ("x@no-such-domain.test", "5.1.2"), ("x@dead.faraway.test", "")]
)
def test_a_domain_that_takes_no_mail_is_told_at_once_and_a_dead_one_later(net: Net, address: str, status: str) -> None:
    subject = f"to {address}"
    trace_id = submit(net.node, subject, address)
    if status:
        assert until(lambda: reports(net.node, subject))[0]["Status"] == status
    else:
        until(lambda: [row for row in queue(net.node) if int(str(row["attempts"])) >= 2])
        assert "could be reached" in str(queue(net.node)[0]["last_reply"])
        net.node.run("queue", "delete", trace_id)
    assert queue(net.node) == []


# --- what the sender is told


@pytest.mark.spec_part("OUT-6", "INB-9")
def test_a_refused_recipient_is_told_in_a_dsn_and_the_others_get_the_message(net: Net) -> None:
    submit(net.node, "half refused", "nobody@faraway.test", OMAR)
    with_subject(net.far, "half refused", OMAR)
    [fields] = until(lambda: reports(net.node, "half refused"))
    assert fields["Final-Recipient"] == "rfc822; nobody@faraway.test"
    assert (fields["Action"], fields["Status"]) == ("failed", "5.1.1")
    assert fields["Reporting-MTA"] == "dns; mx.example.test"
    assert fields["Remote-MTA"] == "dns; mx.faraway.test[127.0.0.1]"
    assert fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1 No such user here")
    until_queue_is_empty(net.node)


@pytest.mark.spec("INB-9")
def test_what_is_refused_is_refused_in_the_session_and_only_accepted_mail_is_bounced(net: Net) -> None:
    before = len(inbox(net.node))
    net.node.run("filter", "add", "Offers", "--system", "--when", "body contains unwanted", "--do", 'reject "No offers"')
    net.node.run("filter", "add", "Points", "--system", "--when", "body contains certainly", "--do", "change_score 400")
    net.node.run("junk", "set", "--user", JANE, "--reject-points", "300")
    with net.node.smtp() as client:
        client.ehlo("client.test")
        refusals = [
            _tried(client, "nobody@example.test", b"Subject: x\r\n\r\nx\r\n"),
            _tried(client, "stranger@elsewhere.test", b"Subject: x\r\n\r\nx\r\n"),
            _tried(client, JANE, b"Subject: bare\r\n\r\nx\ny\r\n"),
            _tried(client, JANE, b"Subject: filtered\r\n\r\nunwanted\r\n"),
            _tried(client, JANE, b"Subject: spam\r\n\r\ncertainly spam\r\n"),
            _tried(client, JANE, b"".join(b"Received: x\r\n" for _ in range(60)) + b"\r\nx\r\n"),
        ]
    assert [code // 100 for code in refusals] == [5] * 6
    assert queue(net.node) == []
    assert len(inbox(net.node)) == before
    submit(net.node, "accepted first", "nobody@faraway.test")
    assert until(lambda: reports(net.node, "accepted first"))
    assert len(inbox(net.node)) == before + 1


def _tried(client: smtplib.SMTP, recipient: str, content: bytes) -> int:
    """The code that refuses one message from jane, or the one that takes it."""
    client.mail(JANE)
    code, _ = client.rcpt(recipient)
    if code == 250:
        client.putcmd("data")
        assert client.getreply()[0] == 354
        client.send(content + b".\r\n")
        code, _ = client.getreply()
    client.rset()
    return code


@pytest.mark.spec_part("OUT-6")
def test_success_is_told_by_the_host_that_keeps_the_message_or_by_us_if_it_cannot(net: Net) -> None:
    submit(net.node, "kept there", OMAR, notify="SUCCESS", options=["ENVID=QQ314159", "RET=HDRS"])
    [kept] = until(lambda: reports(net.node, "kept there"))
    assert (kept["Reporting-MTA"], kept["Action"]) == ("dns; mx.faraway.test", "delivered")
    assert kept["Original-Envelope-Id"] == "QQ314159"
    without_dsn = ScriptedHost(extensions=())
    with in_background(without_dsn), routed(net.node, "plain.test", f"127.0.0.1:{without_dsn.port}"):
        submit(net.node, "passed on", "x@plain.test", notify="SUCCESS")
        [relayed] = until(lambda: reports(net.node, "passed on"))
    assert (relayed["Reporting-MTA"], relayed["Action"]) == ("dns; mx.example.test", "relayed")
    submit(net.node, "kept here", "omar@example.org", notify="SUCCESS")
    [local] = until(lambda: reports(net.node, "kept here"))
    assert (local["Reporting-MTA"], local["Action"]) == ("dns; mx.example.test", "delivered")


def test_who_declined_notices_gets_none_and_a_bounce_never_bounces(net: Net) -> None:
    before = len(inbox(net.node))
    declined = submit(net.node, "declined", "nobody@faraway.test", notify="NEVER")
    null = submit(net.node, "null sender", "nobody@faraway.test", sender="")
    for trace_id in (declined, null):
        until(lambda trace_id=trace_id: "550 5.1.1" in net.node.run("mail", "trace", trace_id).stdout)
    assert queue(net.node) == []
    assert len(inbox(net.node)) == before


@pytest.mark.spec_part("OUT-6")
def test_attack_bounces_of_bounces_go_to_whom_is_set_and_never_round_in_circles(net: Net) -> None:
    refusing = ScriptedHost(always("RCPT", "550 5.1.1 no such user"))
    chief = "chief@routed.test"
    with (
        in_background(refusing),
        routed(net.node, "routed.test", f"127.0.0.1:{refusing.port}"),
        changed(net.node, "queue.double_bounce", chief),
    ):
        until(lambda: _voided(net.node, refusing, f"RCPT TO:<{chief}>"))
        trace_id = submit(net.node, "the last one", "last@routed.test", sender="")
        until(lambda: "550 5.1.1" in net.node.run("mail", "trace", trace_id).stdout)
        until_queue_is_empty(net.node)
        asked = _count(refusing, "RCPT")
        for _ in range(3):  # as time passes
            assert queue(net.node) == []
        assert _count(refusing, "RCPT") == asked


def _voided(node: Node, host: ScriptedHost, wanted: str) -> bool:
    """Whether a notice that nobody can be sent went where it shall by now: the setting has arrived. A recipient who was refused
    once is not accepted again."""
    submit(node, "into the void", f"x{len(host.commands)}@routed.test", sender="")
    until_queue_is_empty(node)
    return any(command.startswith(wanted) for command in host.commands)


@pytest.mark.spec_part("OUT-6")
def test_a_long_delay_is_told_once_while_delivery_is_still_tried(net: Net) -> None:
    busy = ScriptedHost(always("RCPT", "450 4.2.1 The mailbox is busy"))
    with (
        in_background(busy),
        changed(net.node, "queue.warn_after_s", "0.8"),
        routed(net.node, "busy.test", f"127.0.0.1:{busy.port}"),
    ):
        trace_id = submit(net.node, "slow", "x@busy.test")
        [fields] = until(lambda: reports(net.node, "slow"))
        assert (fields["Action"], fields["Status"]) == ("delayed", "4.2.1")
        assert fields["Will-Retry-Until"]
        tries = busy.connections + len(busy.commands)
        until(lambda: busy.connections + len(busy.commands) > tries + 6)
        assert len(reports(net.node, "slow")) == 1
        net.node.run("queue", "delete", trace_id)


# --- retries and operations


@pytest.mark.spec_part("OUT-6", "MON-1")
def test_a_temporary_refusal_is_tried_again_until_it_is_taken_and_the_trace_tells_all_of_it(net: Net) -> None:
    host = ScriptedHost()
    host.says = lambda step, connection, argument: "451 4.3.0 not yet" if step == "RCPT" and _count(host, "RCPT") <= 3 else None
    with in_background(host), routed(net.node, "later.test", f"127.0.0.1:{host.port}"):
        trace_id = submit(net.node, "later", "x@later.test")
        until_queue_is_empty(net.node)
    assert len(host.heard) == 1
    story = net.node.run("mail", "trace", trace_id).stdout
    assert story.count("451 4.3.0 not yet") >= 3
    assert "delivered (queue 127.0.0.1) for x@later.test: 250 2.0.0 ok" in story
    assert story.index("accepted") < story.index("451 4.3.0") < story.index("delivered")


def _count(host: ScriptedHost, verb: str) -> int:
    return sum(command.startswith(verb) for command in host.commands)


@pytest.mark.spec_part("OUT-6")
def test_a_stalling_destination_of_twenty_holds_up_only_itself(net: Net) -> None:
    hosts = [ScriptedHost(address=f"127.0.1.{number}", port=net.port) for number in range(1, 21)]
    stalled = hosts[4]
    stalled.says = always("MAIL", "stall")
    with in_background(*hosts):
        ids = [submit(net.node, f"m{n}", *(f"u{n}@d{number}.test" for number in range(1, 21))) for n in range(10)]
        started = time.monotonic()
        others = [host for host in hosts if host is not stalled]
        until(lambda: all(len(host.heard) == 10 for host in others))
        assert time.monotonic() - started < 40
        assert {tuple(row["recipients"]) for row in queue(net.node)} == {(f"u{n}@d5.test",) for n in range(10)}  # type: ignore[arg-type]
        assert all(host.most_open <= 10 for host in hosts)
        assert sum(host.connections for host in others) < 190, "connections are used again"
        net.node.run("queue", "delete", *ids)


@pytest.mark.spec_part("OUT-6")
def test_deliveries_to_one_destination_are_spaced_out_where_a_rate_is_set(net: Net) -> None:
    times: list[float] = []
    host = ScriptedHost(lambda step, connection, argument: times.append(time.monotonic()) if step == "END" else None)
    other = ScriptedHost()
    with (
        in_background(host, other),
        changed(net.node, "queue.rate_per_destination", "100"),
        routed(net.node, "paced.test", f"127.0.0.1:{host.port}"),
        routed(net.node, "other.test", f"127.0.0.1:{other.port}"),
    ):
        for _ in range(3):
            submit(net.node, "paced", "x@paced.test")
        submit(net.node, "not held up", "x@other.test")
        until(lambda: other.heard)
        assert len(times) < 3
        until_queue_is_empty(net.node)
    assert all(later - sooner > 0.5 for sooner, later in itertools.pairwise(times))
