"""Between a running node and real Postfix, Exim and OpenSMTPD, both ways: TLS, notices, sizes, limits (OUT-6)."""

from __future__ import annotations

import contextlib
import itertools
import os
import smtplib
import subprocess
import time
from collections.abc import Iterator

import pytest

from support.node import Node, running, until
from support.other_mtas import MAX_BYTES, MAX_RECIPIENTS, MEMBERS, Exim, OpenSmtpd, OtherMta, PostfixToo, StockOpenSmtpd
from support.sending import JANE, inbox, queue, reports, submit, submit_many, until_queue_is_empty, with_subject

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="other mail servers start as root only"),
]

Mta = OtherMta | PostfixToo
LONG_S, OMAR = 60.0, "omar@example.org"


@pytest.fixture(scope="module", params=[Exim, OpenSmtpd, PostfixToo], ids=lambda kind: kind.name)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Mta]]:
    if request.param is OpenSmtpd and OpenSmtpd.engine is None:
        pytest.fail("the engine for OpenSMTPD's TLS is not unpacked: make engines")
    with running(tmp_path_factory.mktemp("node"), workers=1) as node, request.param(node.ports["smtp"]) as other:
        node.run("route", "add", other.domain, f"127.0.0.1:{other.port}")
        node.run("setting", "set", "queue.first_retry_s", "0.5")
        yield node, other


def test_what_is_too_large_for_us_goes_back_to_its_sender(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    node.run("smtp", "set", "max_message_bytes", "200000")
    try:
        until(lambda: _size(node) == "200000", LONG_S)
        content = b"Subject: too large for us\r\n\r\n" + (b"x" * 70 + b"\r\n") * 10_000
        until(lambda: _goes_back(other, content), LONG_S)
    finally:
        node.run("setting", "reset", "smtp.max_message_bytes")
    until(lambda: _size(node) != "200000", LONG_S)


def test_it_takes_our_mail_over_tls(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    trace_id = submit(node, "over tls", f"omar@{other.domain}", size=500_000)
    until_queue_is_empty(node)
    [content] = until(lambda: [m for m in other.maildir() if b"Subject: over tls" in m])
    assert b"TLS" in content.partition(b"\n\n")[0], other.log()
    assert f"id {trace_id}".encode() in content
    assert content.count(b"x" * 70 + b"\n") == 500_000 // 72


def test_it_refuses_one_of_two_recipients(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    submit(node, "one of two", f"nobody@{other.domain}", f"omar@{other.domain}")
    [fields] = until(lambda: reports(node, "one of two"))
    assert fields["Final-Recipient"] == f"rfc822; nobody@{other.domain}"
    assert fields["Status"][0] == "5"
    until(lambda: any(b"Subject: one of two" in m for m in other.maildir()))
    assert queue(node) == []


def test_what_is_too_large_for_it_goes_back_at_once(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    submit(node, "too large", f"omar@{other.domain}", size=MAX_BYTES + 200_000)
    [fields] = until(lambda: reports(node, "too large"))
    assert fields["Status"] == "5.3.4"


def test_many_messages_go_over_few_connections(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    for number in range(20):
        submit(node, f"many {number}", f"omar@{other.domain}")
    until_queue_is_empty(node, LONG_S)
    found = until(lambda: len(subjects) == 20 and subjects if (subjects := many(other)) else None, LONG_S)
    assert found == {f"many {number}" for number in range(20)}


def test_more_recipients_than_it_takes_in_one_transaction_all_get_their_copy(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    assert len(MEMBERS) > 2 * MAX_RECIPIENTS
    submit(node, "to a crowd", *(f"{member}@{other.domain}" for member in MEMBERS))
    until(lambda: len(about(other, b"to a crowd")) == len(MEMBERS), LONG_S)
    until_queue_is_empty(node, LONG_S)
    assert len(about(other, b"to a crowd")) == len(MEMBERS)


def test_our_limits_of_connections_and_of_messages_in_one_are_kept_as_it_sees_them(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    before = len(other.visits())
    with changed(node, concurrency_per_destination="1", messages_per_connection="3"):
        submit_many(node, 9, f"omar@{other.domain}")
        until_queue_is_empty(node, LONG_S)
    visits = other.visits()[before:]
    runs = [(visit, len(list(group))) for visit, group in itertools.groupby(visits)]
    assert len({visit for visit, _ in runs}) == len(runs), "two connections were at work at a time"
    assert sum(length for _, length in runs) == 9
    assert max(length for _, length in runs) <= 3


def test_our_rate_is_kept_as_it_sees_it(pair: tuple[Node, Mta]) -> None:
    """The next may go half a second after the last one set out."""
    node, other = pair
    with changed(node, rate_per_destination="120", messages_per_connection="1", first_retry_s="60"):
        before, began = len(other.visits()), time.monotonic()
        submit_many(node, 4, f"omar@{other.domain}")
        until(lambda: len(other.visits()) == before + 4, LONG_S, step_s=0.01)
        took_s = time.monotonic() - began
        until_queue_is_empty(node, LONG_S)
    assert took_s > 1.4


def test_without_pipelining_chunking_and_notices_of_its_own_it_still_gets_our_mail(pair: tuple[Node, Mta]) -> None:
    """Exim and Postfix refuse a client that pipelines unasked; what we know of success then, our sender is told by us."""
    node, other = pair
    node.run("route", "add", other.domain, f"127.0.0.1:{other.bare_port}")
    try:
        subject = "without extensions"
        submit(
            node, subject, f"omar@{other.domain}", f"u1@{other.domain}", notify="SUCCESS", options=["ENVID=E3"], size=100_000
        )
        until_queue_is_empty(node)
        notices = until(lambda: reports(node, subject))
    finally:
        node.run("route", "add", other.domain, f"127.0.0.1:{other.port}")
    assert [fields["Action"] for fields in notices] == ["relayed", "relayed"]
    assert {fields["Reporting-MTA"] for fields in notices} == {"dns; mx.example.test"}
    assert {fields["Original-Envelope-Id"] for fields in notices} == {"E3"}
    assert until(lambda: about(other, subject.encode()))[0].count(b"x" * 70 + b"\n") == 100_000 // 72


@pytest.mark.parametrize("pair", [StockOpenSmtpd], indirect=True, ids=["opensmtpd-with-broken-tls"])
def test_where_its_tls_breaks_for_every_client_our_mail_comes_in_clear_text_or_waits_if_it_must_not(
    pair: tuple[Node, Mta],
) -> None:
    node, other = pair
    handshake = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{other.port}"]
    done = subprocess.run(handshake, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert "alert internal error" in done.stderr, "its TLS works now"
    submit(node, "in clear text", f"omar@{other.domain}")
    until_queue_is_empty(node)
    [content] = until(lambda: about(other, b"in clear text"))
    assert b"TLS" not in content.partition(b"\n\n")[0]
    with changed(node, tls="required"):
        submit(node, "encrypted or not at all", f"omar@{other.domain}")
        until(lambda: "TLS failed" in str([row["last_reply"] for row in queue(node)]))
        assert about(other, b"encrypted or not at all") == []
    until_queue_is_empty(node)


@contextlib.contextmanager
def changed(node: Node, **settings: str) -> Iterator[None]:
    """Settings of the queue, changed for a while."""
    before = {key: str(node.json("setting", "get", f"queue.{key}")["value"]) for key in settings}
    for key, value in settings.items():
        node.run("setting", "set", f"queue.{key}", value)
    try:
        yield
    finally:
        for key, value in before.items():
            node.run("setting", "set", f"queue.{key}", value)


def test_it_tells_our_sender_of_success_itself(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    submit(node, "tell me", f"omar@{other.domain}", notify="SUCCESS", options=["ENVID=E1", "RET=HDRS"])
    [notice] = until(lambda: [each for message in inbox(node) if "Subject: tell me" in (each := message.as_string())], LONG_S)
    assert f"Reporting-MTA: dns; mx.{other.domain}" in notice and "Action: delivered" in notice
    assert ("\noriginal-envelope-id: e1\n" in notice.lower()) == other.tells_envelope_id


def test_we_tell_its_sender_of_success_when_it_asks(pair: tuple[Node, Mta]) -> None:
    _, other = pair
    with smtplib.SMTP("127.0.0.1", other.port, timeout=30) as client:
        client.ehlo("client.test")
        client.mail(f"omar@{other.domain}", ["RET=HDRS", "ENVID=E2"])
        client.rcpt(JANE, ["NOTIFY=SUCCESS"])
        assert client.data(b"Subject: told by us\r\n\r\nx\r\n")[0] == 250
    [notice] = until(lambda: about(other, b"told by us"), LONG_S)
    assert b"Action: delivered" in notice and b"Reporting-MTA: dns; mx.example.test" in notice
    assert b"Original-Envelope-Id: E2" in notice


def test_what_it_sends_in_a_burst_comes_once_each(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    with smtplib.SMTP("127.0.0.1", other.port, timeout=30) as client:
        for number in range(4):
            client.sendmail(f"omar@{other.domain}", [JANE, OMAR], f"Subject: burst {number}\r\n\r\nx\r\n".encode())
    for user in (JANE, OMAR):
        until(lambda user=user: len(burst(node, user)) == 4, LONG_S)
        assert sorted(burst(node, user)) == [f"burst {number}" for number in range(4)]


def burst(node: Node, user: str) -> list[str]:
    return [subject for message in inbox(node, user) if (subject := str(message["Subject"])).startswith("burst")]


def _goes_back(other: Mta, content: bytes) -> bool:
    """Perhaps not yet: over a connection that it has from before, the old limit holds."""
    with smtplib.SMTP("127.0.0.1", other.port, timeout=30) as client:
        client.sendmail(f"omar@{other.domain}", [JANE], content)
    with contextlib.suppress(AssertionError):
        until(lambda: about(other, b"too large for us"), 15)
    return bool(about(other, b"too large for us"))


def _size(node: Node) -> str:
    with node.smtp("smtp") as client:
        client.ehlo("client.test")
        return client.esmtp_features["size"]


def about(other: Mta, subject: bytes) -> list[bytes]:
    return [content for content in other.maildir() if b"Subject: " + subject in content]


def many(other: Mta) -> set[str]:
    lines = [line for content in other.maildir() for line in content.split(b"\n") if line.startswith(b"Subject: many ")]
    return {line[len(b"Subject: ") :].strip().decode() for line in lines}


def test_it_sends_to_us_over_tls_and_tells_its_sender_of_a_refusal(pair: tuple[Node, Mta]) -> None:
    node, other = pair
    sender = f"omar@{other.domain}"
    with smtplib.SMTP("127.0.0.1", other.port, timeout=30) as client:
        client.sendmail(sender, [JANE], f"From: {sender}\r\nSubject: from {other.name}\r\n\r\nx\r\n".encode())
        client.sendmail(sender, ["nobody@example.test"], f"From: {sender}\r\nSubject: to nobody\r\n\r\nx\r\n".encode())
    message = with_subject(node, f"from {other.name}")
    assert "with ESMTPS" in message["Received"]
    assert message["Return-Path"] == f"<{sender}>"
    until(lambda: any(b"5.1.1" in m and b"Subject: to nobody" in m for m in other.maildir()), 30)
