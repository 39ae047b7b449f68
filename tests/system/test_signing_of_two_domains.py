"""Keys, their records and their rotation, the seal and the sender of what is forwarded: all of row OUT-8 on a running node, its
records published in a real DNS server, its signatures verified by another implementation that asks that server.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass

import dkim  # type: ignore[import-untyped]
import dns.message
import dns.query
import dns.rdatatype
import pytest

from support.clients import ProxiedSmtp, proxy_v1
from support.knot import Knot
from support.node import PASSWORD, Node, running, until

KIM, LENA = "kim@faraway.test", "lena@elsewhere.test"
RECORDS = {
    ("faraway.test", "MX"): ["10 mx.faraway.test"],
    ("elsewhere.test", "MX"): ["10 mx.faraway.test"],
    ("mx.faraway.test", "A"): ["127.0.0.1"],
    ("example.test", "MX"): ["10 mx.example.test"],
    ("second.test", "MX"): ["10 mx.example.test"],
}
DOMAINS = {"example.test": "jane@example.test", "second.test": "nina@second.test"}


@dataclass
class Net:
    node: Node
    far: Node
    knot: Knot

    def published(self, name: bytes, **_: object) -> bytes:
        """The record as the world sees it."""
        query = dns.message.make_query(name.decode(), "TXT")
        answer = dns.query.udp_with_fallback(query, "127.0.0.1", port=self.knot.port, timeout=10)[0].answer
        texts = [record for rrset in answer if rrset.rdtype == dns.rdatatype.TXT for record in rrset]
        return b"".join(texts[0].strings) if texts else b""

    def publish_keys(self) -> None:
        """What the node says is to be published, put into the zone."""
        rows = [row for domain in DOMAINS for row in self.node.json("dkim", "show", domain)]
        self.knot.publish({(str(row["name"]), "TXT"): [str(row["text"])] for row in rows})

    def sent(self, user: str, subject: str) -> bytes:
        """A message that leaves, as the other node got it."""
        with ProxiedSmtp(self.node.ports["submission"], proxy_v1("127.0.0.1")) as client:
            client.login(user, PASSWORD)
            client.sendmail(user, [KIM], f"From: {user}\r\nTo: {KIM}\r\nSubject: {subject}\r\n\r\nHi.\r\n")
        return self.arrived(KIM, subject)

    def arrived(self, user: str, subject: str) -> bytes:
        def look() -> bytes | None:
            client = self.far.pop(user)
            contents = [b"\r\n".join(client.retr(number + 1)[1]) + b"\r\n" for number in range(client.stat()[0])]
            client.quit()
            return next((content for content in contents if f"Subject: {subject}\r\n".encode() in content), None)

        found: bytes = until(look)
        return found

    def holds(self, content: bytes) -> list[tuple[str, str, bool]]:
        """(domain, selector, whether it verifies) of each signature."""
        verifier = dkim.DKIM(content)
        count = len(re.findall(rb"(?mi)^DKIM-Signature:", content))
        held = [bool(verifier.verify(idx=index, dnsfunc=self.published)) for index in range(count)]
        values = re.findall(rb"(?mi)^DKIM-Signature:((?:.*\r\n(?=[ \t]))*.*)", content)
        tags = [dict(re.findall(r"(\w+)=([^;\s]+)", value.decode())) for value in values]
        return [(tag["d"], tag["s"], held[index]) for index, tag in enumerate(tags)]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("signing")
    far = Node(folder / "far", services=("smtp", "pop3"), workers=1, name="mx.faraway.test")
    with Knot(folder / "knot", RECORDS) as knot, far, running(folder / "node", workers=1, extra=knot.toml) as node:
        for user in (KIM, LENA):
            far.run("domain", "add", user.partition("@")[2])
            far.add_user(user)
        node.run("domain", "add", "second.test")
        node.add_user("nina@second.test")
        node.run("alias", "add", "kim@example.test", KIM)
        settings = {"port": str(far.ports["smtp"]), "allow_loopback": "on", "first_retry_s": "0.3"}
        for key, value in settings.items():
            node.run("setting", "set", f"queue.{key}", value)
        node.run("smtp", "set", "tarpit_s", "0")
        node.run("smtp", "set", "proxy_networks", "127.0.0.1/32")
        until(lambda: stranger(node, LENA, "nobody@example.test", "x") == 550)
        yield Net(node, far, knot)


def stranger(node: Node, sender: str, recipient: str, subject: str) -> int:
    with ProxiedSmtp(node.ports["smtp"], proxy_v1("192.0.2.50")) as client:
        client.ehlo("mail.elsewhere.test")
        try:
            client.sendmail(sender, [recipient], f"From: <{LENA}>\r\nSubject: {subject}\r\n\r\nHi.\r\n")
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients[recipient][0]
    return 250


@pytest.mark.spec("OUT-8")
def test_two_domains_sign_with_two_kinds_of_keys_rotate_them_and_forward_with_seal_and_rewritten_sender(net: Net) -> None:
    node = net.node
    assert net.holds(net.sent("jane@example.test", "no key yet")) == []

    # keys per domain, of both kinds; used only once their records could be published
    for domain in DOMAINS:
        node.run("dkim", "add", domain, "--selector", "a1")
        node.run("dkim", "add", domain, "--selector", "a1e", "--algorithm", "ed25519")
    net.publish_keys()
    assert net.holds(net.sent("jane@example.test", "not taken into use")) == []
    for domain in DOMAINS:
        node.run("dkim", "rotate", domain)
    before = {}
    for domain, user in DOMAINS.items():
        before[domain] = net.sent(user, f"first of {domain}")
        assert sorted(net.holds(before[domain])) == [(domain, "a1", True), (domain, "a1e", True)]
        assert not dkim.verify(before[domain].replace(b"Hi.", b"Ho."), dnsfunc=net.published)

    # rotation of one domain: its old records stay as long as mail may be under way, the other domain's keys stay in use
    node.run("dkim", "add", "example.test", "--selector", "b1")
    node.run("dkim", "add", "example.test", "--selector", "b1e", "--algorithm", "ed25519")
    net.publish_keys()
    assert {selector for _, selector, _ in net.holds(net.sent("jane@example.test", "next waits"))} == {"a1", "a1e"}
    node.run("dkim", "rotate", "example.test")
    assert sorted(net.holds(net.sent("jane@example.test", "rotated"))) == [
        ("example.test", "b1", True),
        ("example.test", "b1e", True),
    ]
    assert {row["selector"] for row in node.json("dkim", "show", "example.test")} == {"a1", "a1e", "b1", "b1e"}
    assert all(held for _, _, held in net.holds(before["example.test"])), "mail that was under way"
    assert {selector for _, selector, _ in net.holds(net.sent("nina@second.test", "unmoved"))} == {"a1", "a1e"}
    assert node.run("dkim", "delete", "example.test", "b1", check=False).returncode == 1, "it is in use"
    for selector in ("a1", "a1e"):
        node.run("dkim", "delete", "example.test", selector)
    assert {row["selector"] for row in node.json("dkim", "show", "example.test")} == {"b1", "b1e"}

    # forwarded: our seal over it, a sender of ours, and the way back for its bounces
    assert stranger(node, LENA, "kim@example.test", "forwarded") == 250
    content = net.arrived(KIM, "forwarded")
    state, results, why = dkim.arc_verify(content, dnsfunc=net.published)
    assert (state, [result["as-domain"] for result in results]) == (b"pass", [b"example.test"]), why
    [sender] = re.findall(rb"(?m)^Return-Path: <(SRS0=[^>]*=elsewhere\.test=lena@example\.test)>", content)
    assert stranger(node, "", sender.decode(), "its bounce") == 250
    assert b"Return-Path: <>" in net.arrived(LENA, "its bounce")
    assert stranger(node, "", "SRS0=aaaa=bb=elsewhere.test=lena@example.test", "made up") == 550
