"""Forwarded mail of a running node: the sender is rewritten, so that SPF holds further on, bounces find their way back, and an
ARC seal tells the next host what was seen here. Row OUT-8.

`far` is a second node, the host of all other domains; it checks what it gets as any host would.
"""

from __future__ import annotations

import base64
import email.message
from collections.abc import Iterator
from dataclasses import dataclass

import dkim  # type: ignore[import-untyped]
import pytest

from support.clients import Wire, proxy_v1
from support.knot import Knot
from support.node import PASSWORD, Node, running, until
from support.sending import inbox

GOOD = "192.0.2.50"
OMAR, LENA = "omar@faraway.test", "lena@elsewhere.test"
RECORDS = {
    ("faraway.test", "MX"): ["10 mx.faraway.test"],
    ("elsewhere.test", "MX"): ["10 mx.faraway.test"],
    ("mx.faraway.test", "A"): ["127.0.0.1"],
    ("elsewhere.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    ("example.test", "MX"): ["10 mx.example.test"],
}


@dataclass
class Net:
    node: Node
    far: Node


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("forwarding")
    far = Node(folder / "far", services=("smtp", "pop3"), workers=1, name="mx.faraway.test")
    with Knot(folder / "knot", RECORDS) as knot, far, running(folder / "node", workers=1, extra=knot.toml) as node:
        for domain, user in (("faraway.test", OMAR), ("elsewhere.test", LENA)):
            far.run("domain", "add", domain)
            far.add_user(user)
        node.run("alias", "add", "omar@example.test", OMAR)
        node.run("dkim", "add", "example.test")
        node.run("dkim", "rotate", "example.test")
        settings = {
            "queue.port": str(far.ports["smtp"]),
            "queue.allow_loopback": "on",
            "queue.first_retry_s": "0.3",
            "smtp.proxy_networks": "127.0.0.1/32",
            "smtp.tarpit_s": "0",
        }
        for key, value in settings.items():
            node.run("setting", "set", key, value)
        until(lambda: said(node, "NOOP")[0].startswith(b"250"))
        yield Net(node, far)


def said(node: Node, *lines: str, content: bytes = b"") -> list[bytes]:
    """A stranger's lines, and the replies to them after the greeting."""
    with Wire(node.ports["smtp"], first=proxy_v1(GOOD)) as wire:
        wire.line()
        replies = []
        for line in lines:
            wire.send(line)
            replies.append(wire.line())
        if content:
            wire.send(content + b".\r\n")
            replies.append(wire.line())
        return replies


def send(node: Node, subject: str, sender: str, recipient: str) -> list[bytes]:
    content = f"From: {sender or 'mailer-daemon@faraway.test'}\r\nSubject: {subject}\r\n\r\nHi.\r\n".encode()
    return said(node, "HELO mail.elsewhere.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA", content=content)


def arrived(net: Net, subject: str, user: str) -> email.message.Message:
    found: email.message.Message = until(lambda: next((m for m in inbox(net.far, user) if m["Subject"] == subject), None))
    return found


def raw_inbox(node: Node, user: str) -> list[bytes]:
    client = node.pop(user)
    try:
        return [b"\r\n".join(client.retr(number + 1)[1]) + b"\r\n" for number in range(client.stat()[0])]
    finally:
        client.quit()


@pytest.mark.spec_part("OUT-8")
def test_a_forwarded_message_leaves_with_a_sender_of_ours_and_its_bounce_finds_the_way_back(net: Net) -> None:
    assert send(net.node, "forwarded-1", LENA, "omar@example.test")[-1].startswith(b"250")
    message = arrived(net, "forwarded-1", OMAR)
    sender = message["Return-Path"].strip("<>")
    assert sender.startswith("SRS0=") and sender.endswith("=elsewhere.test=lena@example.test")
    assert send(net.node, "bounce-1", "", sender)[-1].startswith(b"250")
    assert arrived(net, "bounce-1", LENA)["Return-Path"] == "<>"


@pytest.mark.spec_part("OUT-8")
def test_attack_a_rewritten_sender_that_was_made_up_is_no_way_to_relay(net: Net) -> None:
    replies = send(net.node, "made-up", "", "SRS0=aaaaaaaa=aa=elsewhere.test=lena@example.test")
    assert replies[2].startswith(b"550 5.1.1")


@pytest.mark.spec_part("OUT-8")
def test_what_a_user_of_ours_sends_to_a_forwarding_address_keeps_its_sender(net: Net) -> None:
    token = base64.b64encode(f"\0jane@example.test\0{PASSWORD}".encode()).decode()
    content = b"From: jane@example.test\r\nSubject: own-1\r\n\r\nHi.\r\n"
    with Wire(net.node.ports["submission"], first=proxy_v1("127.0.0.1")) as wire:
        wire.line()
        for line in (
            "HELO laptop",
            f"AUTH PLAIN {token}",
            "MAIL FROM:<jane@example.test>",
            "RCPT TO:<omar@example.test>",
            "DATA",
        ):
            wire.send(line)
            assert wire.line()[:1] in b"23", line
        wire.send(content + b".\r\n")
        assert wire.line().startswith(b"250 ")
    assert arrived(net, "own-1", OMAR)["Return-Path"] == "<jane@example.test>"


@pytest.mark.spec_part("OUT-8")
def test_a_forwarded_message_carries_our_seal_over_what_we_saw(net: Net) -> None:
    assert send(net.node, "sealed-1", LENA, "omar@example.test")[-1].startswith(b"250")
    message = arrived(net, "sealed-1", OMAR)
    assert "d=example.test" in message["ARC-Seal"] and "cv=none" in message["ARC-Seal"]
    assert "i=1" in message["ARC-Message-Signature"]
    assert "spf=pass" in message["ARC-Authentication-Results"]
    record = net.node.json("dkim", "show", "example.test")[0]["text"]
    content = next(raw for raw in raw_inbox(net.far, OMAR) if b"Subject: sealed-1" in raw)
    state, _, why = dkim.arc_verify(content, dnsfunc=lambda *_, **__: record.encode())
    assert state == b"pass", why


@pytest.mark.spec_part("OUT-8")
def test_the_rewriting_can_be_switched_off(net: Net) -> None:
    net.node.run("setting", "set", "mailauth.srs", "off")
    try:
        assert send(net.node, "plain-1", LENA, "omar@example.test")[-1].startswith(b"250")
        assert arrived(net, "plain-1", OMAR)["Return-Path"] == f"<{LENA}>"
    finally:
        net.node.run("setting", "set", "mailauth.srs", "on")
