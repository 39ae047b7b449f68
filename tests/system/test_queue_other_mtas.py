"""Between a running node and real Exim and OpenSMTPD, both ways: TLS, sizes, refusals, notices (OUT-6)."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator

import pytest

from support.node import Node, running, until
from support.other_mtas import MAX_BYTES, Exim, OpenSmtpd, OtherMta
from support.sending import JANE, queue, reports, submit, until_queue_is_empty, with_subject

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="other mail servers start as root only"),
]


@pytest.fixture(scope="module", params=[Exim, OpenSmtpd], ids=lambda kind: kind.name)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, OtherMta]]:
    with running(tmp_path_factory.mktemp("node"), workers=1) as node, request.param(node.ports["smtp"]) as other:
        node.run("route", "add", other.domain, f"127.0.0.1:{other.port}")
        node.run("setting", "set", "queue.first_retry_s", "0.5")
        yield node, other


def test_it_takes_our_mail_over_tls_if_it_can(pair: tuple[Node, OtherMta]) -> None:
    node, other = pair
    trace_id = submit(node, "over tls", f"omar@{other.domain}", size=500_000)
    until_queue_is_empty(node)
    [content] = until(lambda: [m for m in other.maildir() if b"Subject: over tls" in m])
    assert (b"TLS" in content.partition(b"\n\n")[0]) == other.encrypts, other.log()
    assert f"id {trace_id}".encode() in content
    assert content.count(b"x" * 70 + b"\n") == 500_000 // 72


def test_it_refuses_one_of_two_recipients(pair: tuple[Node, OtherMta]) -> None:
    node, other = pair
    submit(node, "one of two", f"nobody@{other.domain}", f"omar@{other.domain}")
    [fields] = until(lambda: reports(node, "one of two"))
    assert fields["Final-Recipient"] == f"rfc822; nobody@{other.domain}"
    assert fields["Status"][0] == "5"
    until(lambda: any(b"Subject: one of two" in m for m in other.maildir()))
    assert queue(node) == []


def test_what_is_too_large_for_it_goes_back_at_once(pair: tuple[Node, OtherMta]) -> None:
    node, other = pair
    submit(node, "too large", f"omar@{other.domain}", size=MAX_BYTES + 200_000)
    [fields] = until(lambda: reports(node, "too large"))
    assert fields["Status"] == "5.3.4"


def test_many_messages_go_over_few_connections(pair: tuple[Node, OtherMta]) -> None:
    node, other = pair
    for number in range(20):
        submit(node, f"many {number}", f"omar@{other.domain}")
    until_queue_is_empty(node)
    found = until(lambda: len(subjects) == 20 and subjects if (subjects := many(other)) else None)
    assert found == {f"many {number}" for number in range(20)}


def many(other: OtherMta) -> set[str]:
    lines = [line for content in other.maildir() for line in content.split(b"\n") if line.startswith(b"Subject: many ")]
    return {line[len(b"Subject: ") :].strip().decode() for line in lines}


def test_it_sends_to_us_over_tls_and_tells_its_sender_of_a_refusal(pair: tuple[Node, OtherMta]) -> None:
    node, other = pair
    sender = f"omar@{other.domain}"
    with smtplib.SMTP("127.0.0.1", other.port, timeout=30) as client:
        client.sendmail(sender, [JANE], f"From: {sender}\r\nSubject: from {other.name}\r\n\r\nx\r\n".encode())
        client.sendmail(sender, ["nobody@example.test"], f"From: {sender}\r\nSubject: to nobody\r\n\r\nx\r\n".encode())
    message = with_subject(node, f"from {other.name}")
    assert "with ESMTPS" in message["Received"]
    assert message["Return-Path"] == f"<{sender}>"
    until(lambda: any(b"5.1.1" in m and b"Subject: to nobody" in m for m in other.maildir()), 30)
