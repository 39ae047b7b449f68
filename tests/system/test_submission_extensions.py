"""A running node: mail that leaves later, by a time, or first; mail sent out of a mailbox (RFC 2852, 4865, 6710, 4468)."""

from __future__ import annotations

import imaplib
import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from support.node import PASSWORD, Node, running, until
from support.scripted_host import EXTENSIONS, ScriptedHost, in_background
from support.sending import JANE, inbox, queue, reports, submit, until_queue_is_empty, with_subject

OMAR = "omar@example.org"
FAR = "x@faraway.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("wishes") / "node", workers=1) as node:
        yield node


@pytest.fixture(autouse=True)
def empty_queue(node: Node) -> Iterator[None]:
    yield
    if left := [str(row["queue_id"]) for row in queue(node)]:
        node.run("queue", "delete", *left)


def subjects(node: Node) -> list[str]:
    """Of what Omar has."""
    return [str(message["Subject"]) for message in inbox(node, OMAR)]


@contextmanager
def far_host(node: Node, *extensions: str) -> Iterator[ScriptedHost]:
    host = ScriptedHost(extensions=(*EXTENSIONS, *extensions))
    with in_background(host):
        node.run("route", "add", "faraway.test", f"127.0.0.1:{host.port}")
        try:
            yield host
        finally:
            node.run("route", "delete", "faraway.test")


def announced(node: Node, service: str, *, login: bool = False) -> dict[str, str]:
    with node.smtp(service) as client:
        client.ehlo("client.test")
        if login:
            client.login(JANE, PASSWORD)
            client.ehlo("client.test")
        return dict(client.esmtp_features)


def test_each_extension_is_announced_where_it_works(node: Node) -> None:
    strangers, before, after = announced(node, "smtp"), announced(node, "submission"), announced(node, "submission", login=True)
    wishes = {"futurerelease", "deliverby", "mt-priority"}
    assert not {*wishes, "burl"} & set(strangers)
    assert wishes <= set(before)
    assert "burl" not in before, "nobody's URLs"
    assert wishes <= set(after)
    assert after["burl"].split() == ["imap", "imap://mx.example.test"]
    assert wishes - {"futurerelease"} <= set(announced(node, "smtp", login=True)), "for who has logged in"
    seconds, until_ = after["futurerelease"].split()
    assert int(seconds) == 2_592_000
    assert abs(datetime.fromisoformat(until_) - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    node.run("setting", "set", "queue.hold_max_s", "0")
    try:
        assert "futurerelease" not in announced(node, "submission")
    finally:
        node.run("setting", "set", "queue.hold_max_s", "2592000")


def test_mail_that_is_to_leave_later_waits_for_everybody_and_survives_a_crash(node: Node) -> None:
    with far_host(node) as host:
        due = datetime.now(UTC) + timedelta(seconds=12)
        trace_id = submit(node, "later", FAR, OMAR, notify="SUCCESS,FAILURE", options=[f"HOLDUNTIL={due:%Y-%m-%dT%H:%M:%S}Z"])
        [row] = queue(node)
        assert (row["queue_id"], row["state"], sorted(row["recipients"])) == (trace_id, "waiting", [OMAR, FAR])  # type: ignore[call-overload]
        assert row["not_before"] == row["next_attempt"] != ""
        assert node.json("queue", "show", trace_id)["not_before"] == row["not_before"]
        node.run("queue", "retry")
        node.run("queue", "hold", trace_id)
        node.run("queue", "release", trace_id)
        node.kill()
        node.start()
        assert len(queue(node)) == 1
        assert host.heard == []
        assert "later" not in subjects(node)
        assert datetime.now(UTC) < due, "the machine is too slow for this test to show anything"
        assert with_subject(node, "later", OMAR)["Return-Path"] == f"<{JANE}>"
        until(lambda: host.heard)
        assert datetime.now(UTC) >= due.replace(microsecond=0)
        assert [fields["Action"] for fields in until(lambda: reports(node, "later"))] == ["delivered"]
        until_queue_is_empty(node)
        assert subjects(node).count("later") == 1
    story = node.run("mail", "trace", trace_id).stdout
    assert "not before" in story


def test_mail_that_waits_for_its_time_can_be_deleted_or_sent_at_once_by_an_administrator(node: Node) -> None:
    with far_host(node) as host:
        dropped = submit(node, "dropped", FAR, OMAR, options=["HOLDFOR=3600"])
        node.run("queue", "delete", dropped)
        assert queue(node) == []
        at_once = submit(node, "at once", FAR, OMAR, options=["HOLDFOR=3600"])
        node.run("queue", "retry", at_once)
        until(lambda: host.heard)
        with_subject(node, "at once", OMAR)
        until_queue_is_empty(node)
        assert b"Subject: at once" in host.heard[0].content
        assert len(host.heard) == 1


def test_an_account_has_so_many_messages_waiting_which_are_listed_taken_back_or_sent_at_once(node: Node) -> None:
    with far_host(node) as host:
        first, second = (submit(node, f"wait {number}", FAR, options=["HOLDFOR=3600"]) for number in range(2))
        node.run("setting", "set", "queue.hold_messages", "2")
        try:
            until(lambda: _told(node, "HOLDFOR=3600")[0] == 450)
            assert b"waiting for their time" in _told(node, "HOLDFOR=3600")[1]
            assert [row["queue_id"] for row in node.json("postponed", "list", "--account", JANE)] == [first, second]
            node.run("postponed", "cancel", first)
            assert _told(node, "HOLDFOR=3600")[0] == 250
        finally:
            node.run("setting", "reset", "queue.hold_messages")
        node.run("postponed", "send", second)
        until(lambda: host.heard)
        assert b"Subject: wait 1" in host.heard[0].content
        until_queue_is_empty(node)
    until(lambda: "cancelled (" in node.run("mail", "trace", first).stdout)


def _told(node: Node, wish: str) -> tuple[int, bytes]:
    """The answer to a sender who wishes that."""
    with node.smtp("submission") as client:
        client.ehlo("client.test")
        client.login(JANE, PASSWORD)
        return client.mail(JANE, [wish])


def test_attack_strangers_cannot_have_mail_held_or_served_first(node: Node) -> None:
    with node.smtp() as client:
        client.ehlo("client.test")
        for wish in ("HOLDFOR=60", "BY=60;R", "MT-PRIORITY=9"):
            assert client.mail("a@elsewhere.test", [wish])[0] == 555
        assert client.docmd("BURL imap://mx.example.test/INBOX;UID=1 LAST")[0] == 502


def test_attack_a_user_cannot_hold_for_ever_or_jump_every_queue(node: Node) -> None:
    with node.smtp("submission") as client, far_host(node, "MT-PRIORITY") as host:
        client.ehlo("client.test")
        client.login(JANE, PASSWORD)
        assert client.mail(JANE, ["HOLDFOR=2592001"])[0] == 501
        assert client.mail(JANE, ["MT-PRIORITY=9"]) == (250, b"2.3.6 3 is the new priority assigned to the message")
        client.rcpt(FAR)
        assert client.data("Subject: urgent\r\n\r\nx\r\n")[0] == 250
        until(lambda: host.heard)
        assert "MT-PRIORITY=3" in host.heard[0].sender
        assert re.search(rb"^Received:(?:.*\n\s)*.*priority 3;", host.heard[0].content, re.I | re.M)


def test_a_time_to_deliver_by_is_relayed_to_who_undertakes_it_and_else_the_message_comes_back(node: Node) -> None:
    with far_host(node, "DELIVERBY 10") as host:
        submit(node, "in time", FAR, options=["BY=300;R"])
        until(lambda: host.heard)
        match = re.search(r"BY=(\d+);R", host.heard[0].sender)
        assert match is not None
        assert 290 <= int(match[1]) <= 300
        submit(node, "too little", FAR, options=["BY=5;R"])
        [fields] = until(lambda: reports(node, "too little"))
        assert (fields["Action"], fields["Status"]) == ("failed", "5.4.7")
        assert fields["Deliver-By-Date"]
        assert len(host.heard) == 1
    with far_host(node) as host:
        submit(node, "not undertaken", FAR, options=["BY=300;R"])
        [fields] = until(lambda: reports(node, "not undertaken"))
        assert (fields["Action"], fields["Status"]) == ("failed", "5.4.7")
        assert host.heard == []
        submit(node, "told", FAR, options=["BY=300;N"])
        until(lambda: host.heard)
        assert "DELAY" in host.heard[0].recipients[0]


def test_what_is_not_delivered_in_time_comes_back_or_is_told_of_at_that_time(node: Node) -> None:
    with far_host(node, "DELIVERBY") as host:
        host.says = lambda step, connection, argument: "450 4.2.1 busy" if step == "RCPT" else None
        started = time.monotonic()
        submit(node, "back", FAR, options=["BY=2;R"])
        submit(node, "delayed", FAR, options=["BY=2;N"])
        [failed] = until(lambda: reports(node, "back"))
        assert 2 <= time.monotonic() - started < 30
        assert (failed["Action"], failed["Status"]) == ("failed", "5.4.7")
        [delayed] = until(lambda: reports(node, "delayed"))
        assert (delayed["Action"], delayed["Status"]) == ("delayed", "4.4.7")
        [row] = queue(node)
        assert row["recipients"] == [FAR]


# --- BURL


def signed_url(node: Node, subject: str, access: str, *, section: str = "", expires: str = "") -> str:
    """Puts a message into jane's Drafts and has a URL to it signed."""
    client: imaplib.IMAP4 = node.imap(JANE)
    client.create("Drafts")
    content = f"From: <{JANE}>\r\nTo: <{OMAR}>\r\nSubject: {subject}\r\n\r\nOut of the mailbox.\r\n"
    _, answer = client.append("Drafts", "", None, content.encode())
    match = re.search(rb"APPENDUID (\d+) (\d+)", answer[0])
    assert match is not None
    user = JANE.replace("@", "%40")
    rump = f"imap://{user}@mx.example.test/Drafts;UIDVALIDITY={match[1].decode()}/;UID={match[2].decode()}{section}"
    expire = f";EXPIRE={expires}" if expires else ""
    client.literal = None
    imaplib.Commands.setdefault("GENURLAUTH", ("AUTH", "SELECTED"))
    _, lines = client._simple_command("GENURLAUTH", f'"{rump}{expire};URLAUTH={access}"', "INTERNAL")
    _, found = client._untagged_response("OK", lines, "GENURLAUTH")
    client.logout()
    return str(found[0].decode().strip('"'))


@contextmanager
def sending(node: Node, user: str = JANE) -> Iterator[smtplib.SMTP]:
    with node.smtp("submission") as client:
        client.ehlo("client.test")
        client.login(user, PASSWORD)
        client.ehlo("client.test")
        assert client.mail(user)[0] == 250
        assert client.rcpt(OMAR)[0] == 250
        yield client


def test_a_message_is_sent_out_of_a_mailbox_whole_or_in_pieces(node: Node) -> None:
    whole = signed_url(node, "whole", "submit+jane%40example.test")
    with sending(node) as client:
        assert client.docmd(f"BURL {whole} LAST")[0] == 250
        assert with_subject(node, "whole", OMAR).get_payload() == "Out of the mailbox.\r\n"
        client.mail(JANE)
        client.rcpt(OMAR)
        head = f"From: <{JANE}>\r\nSubject: pieces\r\n\r\n".encode()
        client.send(b"BDAT %d\r\n" % len(head) + head)
        assert client.getreply()[0] == 250
        text = signed_url(node, "unseen", "user+jane%40example.test", section="/;SECTION=TEXT")
        assert client.docmd(f"BURL {text} LAST")[0] == 250
    message = with_subject(node, "pieces", OMAR)
    assert message.get_payload() == "Out of the mailbox.\r\n"


def test_attack_urls_of_others_unsigned_expired_and_void_ones_lead_to_nothing(node: Node) -> None:
    jane = signed_url(node, "private", "submit+jane%40example.test")
    past = signed_url(node, "private", "submit+jane%40example.test", expires="2020-01-01T00:00:00Z")
    unsigned = jane.partition(";URLAUTH=")[0]
    forged = jane[:-1] + ("0" if jane[-1] != "0" else "1")
    other = jane.replace("submit+jane%40example.test", "submit+omar%40example.org")
    replies = set()
    for user, url in (
        (OMAR, jane),
        (OMAR, other),
        (JANE, past),
        (JANE, unsigned),
        (JANE, forged),
        (JANE, "imap://x/INBOX;UID=1"),
    ):
        with sending(node, user) as client:
            replies.add(client.docmd(f"BURL {url} LAST"))
            assert client.docmd("BURL", f"{jane} LAST")[0] == 503, "the transaction is over"
    assert replies == {(554, b"5.6.6 The URL leads to nothing that you may send")}
    assert [message for message in inbox(node, OMAR) if message["Subject"] == "private"] == []
