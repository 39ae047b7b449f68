"""The path of real messages as OpenTelemetry traces at a collector over HTTP (MON-4)."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.base.ids import decode
from support.collector import Collector
from support.node import PASSWORD, SERVICES, Node, running, until

JANE = "jane@example.test"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as started:
        yield started


def watching(node: Node, collector: Collector) -> None:
    """Returns when both workers tell their messages."""
    node.run("setting", "set", "monitoring.otlp_endpoint", collector.endpoint)

    def both() -> bool:
        node.send(JANE, "Subject: are you there\r\n\r\nx\r\n")
        return {"worker-1", "worker-2"} <= {span.resource["service.instance.id"] for span in collector.spans}

    until(both, 30)


@pytest.mark.spec("MON-4")
def test_the_path_of_a_message_and_its_delivery_are_one_trace(tmp_path: Path, collector: Collector) -> None:
    with running(tmp_path, services=(*SERVICES, "http")) as node, socket.socket() as far:
        far.bind(("127.0.0.1", 0))
        node.run("setting", "set", "route.smart_host", f"127.0.0.1:{far.getsockname()[1]}")
        watching(node, collector)
        with node.smtp("submission") as client:
            client.login("omar@example.org", PASSWORD)
            client.sendmail("omar@example.org", ["someone@far.test", JANE], "Subject: secret\r\n\r\nsecret\r\n")
        [event, *_] = until(lambda: node.json("mail", "trace", "--recipient", "someone@far.test"))
        trace = format(decode(event["trace_id"]), "032x")
        delivery = until(lambda: [span for span in collector.named("delivery") if span.trace == trace], 20)[0]
        [root] = until(lambda: [span for span in collector.spans if span.trace == trace and span.kind == 2], 20)
        assert root.name == "message submission"
        assert root.parent == ""
        assert root.attributes["posthouse.outcome"] == "accepted"
        assert root.attributes["posthouse.recipient_domains"] == ["far.test", "example.test"]
        assert root.attributes["client.address"] == "127.0.0.1"
        assert root.resource["service.name"] == "posthouse"
        assert root.resource["host.name"] == "mx.example.test"
        parts = [span for span in collector.spans if span.parent == root.span and span.name != "delivery"]
        names = [span.name for span in sorted(parts, key=lambda span: span.began_ns)]
        expected = ["mail_from", "rcpt_to", "rcpt_to", "parse", "route", "dispose"]
        assert [name for name in names if name in expected] == expected
        assert all(root.began_ns <= span.began_ns <= span.ended_ns <= root.ended_ns for span in parts)
        assert (delivery.parent, delivery.kind) == (root.span, 3)
        assert delivery.attributes["posthouse.outcome"] == "delayed"
        assert {span.name for span in collector.spans if span.parent == delivery.span} == {"hand over", "write down"}
        for page, says in (("health/live", "live"), ("health/ready", "ready"), ("metrics", "posthouse_messages_total")):
            with urllib.request.urlopen(f"http://127.0.0.1:{node.ports['http']}/{page}", timeout=30) as answer:
                assert says in answer.read().decode()
        told = repr(collector.spans)
        assert "secret" not in told
        assert JANE not in told
        assert "someone@" not in told, "no addresses of people leave the house"


def test_a_refused_message_is_told_and_a_dead_collector_costs_no_mail(tmp_path: Path, collector: Collector) -> None:
    with running(tmp_path) as node:
        watching(node, collector)
        with node.smtp() as client:
            client.ehlo()
            client.mail("a@elsewhere.test")
            node.run("setting", "list")
            assert client.rcpt("nobody@example.test")[0] == 550
        refused = until(lambda: [span for span in collector.spans if span.attributes.get("posthouse.outcome") == "refused"])
        assert str(refused[0].attributes["posthouse.reply_code"]) == "550"
        assert refused[0].attributes["posthouse.decided_by"] == "envelope/recipient"
        collector.status = 503
        before = collector.requests
        for _ in range(20):
            node.send(JANE, "Subject: goes on\r\n\r\nx\r\n")
        until(lambda: collector.requests > before, 20)
        assert node.stop() == 0
        assert "otlp-trouble" in node.log()


def test_nothing_is_sent_and_nothing_loaded_while_no_collector_is_named(tmp_path: Path, collector: Collector) -> None:
    with running(tmp_path, workers=1) as node:
        node.send(JANE, "Subject: alone\r\n\r\nx\r\n")
        for pid in node.pids():
            assert "otlp" not in [each.read_text().strip() for each in Path(f"/proc/{pid}/task").glob("*/comm")]
        refused = node.run("setting", "set", "monitoring.otlp_endpoint", "collector:4318", check=False)
        assert refused.returncode != 0
        assert collector.requests == 0
