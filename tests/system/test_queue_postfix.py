"""Between a running node and a real Postfix, both ways: TLS, refusals, notices, retries (OUT-6, RTE-1, INB-9)."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator

import pytest

from support.node import Node, running, until
from support.postfix import Postfix
from support.sending import JANE, queue, reports, submit, until_queue_is_empty, with_subject

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix starts as root only"),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Postfix]]:
    with running(tmp_path_factory.mktemp("node"), workers=1) as node, Postfix(relay_port=node.ports["smtp"]) as postfix:
        node.run("route", "add", "faraway.test", f"127.0.0.1:{postfix.port}")
        node.run("setting", "set", "queue.first_retry_s", "0.5")
        yield node, postfix


def test_postfix_takes_our_mail_over_tls(pair: tuple[Node, Postfix]) -> None:
    node, postfix = pair
    trace_id = submit(node, "to postfix", "omar@faraway.test", size=500_000)
    until_queue_is_empty(node)
    [content] = until(lambda: [m for m in postfix.maildir("omar") if b"Subject: to postfix" in m])
    assert b"(using TLSv1.3" in content
    assert b"from mx.example.test" in content
    assert f"id {trace_id}".encode() in content
    assert content.count(b"x" * 70 + b"\n") == 500_000 // 72


def test_postfix_refuses_one_of_two_recipients(pair: tuple[Node, Postfix]) -> None:
    node, postfix = pair
    submit(node, "one of two", "nobody@faraway.test", "omar@faraway.test")
    [fields] = until(lambda: reports(node, "one of two"))
    assert (fields["Final-Recipient"], fields["Status"]) == ("rfc822; nobody@faraway.test", "5.1.1")
    until(lambda: any(b"Subject: one of two" in m for m in postfix.maildir("omar")))
    assert queue(node) == []


def test_postfix_defers_and_we_try_again(pair: tuple[Node, Postfix]) -> None:
    node, _ = pair
    trace_id = submit(node, "busy", "busy@faraway.test")
    until(lambda: [row for row in queue(node) if int(str(row["attempts"])) >= 2])
    assert "450 4.2.1" in str(queue(node)[0]["last_reply"])
    node.run("queue", "delete", trace_id)


def test_postfix_tells_of_success_itself(pair: tuple[Node, Postfix]) -> None:
    node, _ = pair
    submit(node, "tell me", "omar@faraway.test", notify="SUCCESS", options=["ENVID=E1"])
    [fields] = until(lambda: reports(node, "tell me"))
    assert (fields["Reporting-MTA"], fields["Action"]) == ("dns; mx.faraway.test", "delivered")
    assert fields["Original-Envelope-Id"] == "E1"


def test_postfix_sends_to_us_over_tls_and_tells_its_sender_of_a_refusal(pair: tuple[Node, Postfix]) -> None:
    node, postfix = pair
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
        client.sendmail("omar@faraway.test", [JANE], b"Subject: from postfix\r\n\r\nx\r\n")
        client.sendmail("omar@faraway.test", ["nobody@example.test"], b"Subject: to nobody\r\n\r\nx\r\n")
    message = with_subject(node, "from postfix")
    assert "with ESMTPS" in message["Received"]
    assert message["Return-Path"] == "<omar@faraway.test>"
    until(lambda: any(b"550 5.1.1" in m and b"Subject: to nobody" in m for m in postfix.maildir("omar")))
