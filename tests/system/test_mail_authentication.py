"""Authentication of mail on a running node, over sockets and real DNS: strangers' mail is checked, ours is signed.

Strangers come by way of a balancer's PROXY header, since everything on loopback is ours. Rows MAU-1, OUT-8.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.formats.folding import fold
from posthouse.mailauth.arc_seal import seal
from posthouse.model.mail_authentication import ArcResult
from support.clients import ImapWire, Wire, proxy_v1
from support.knot import Knot
from support.node import PASSWORD, Node, running, until
from support.signing import Keypair, signed, with_signature

JANE = "jane@example.test"
GOOD, BAD = "192.0.2.50", "203.0.113.66"
RSA, ED = Keypair("rsa"), Keypair("ed25519")
VOUCHED = "mx.list.test; spf=pass smtp.mailfrom=ceo@bank.test; dmarc=pass header.from=bank.test"
RECORDS = {
    ("bank.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    ("_dmarc.bank.test", "TXT"): ["v=DMARC1; p=reject"],
    ("s1._domainkey.bank.test", "TXT"): [RSA.record],
    ("e1._domainkey.bank.test", "TXT"): [ED.record],
    ("shop.test", "TXT"): ["v=spf1 include:bank.test ~all"],
    ("s1._domainkey.list.test", "TXT"): [RSA.record],
    ("wary.test", "TXT"): ["v=spf1 -all"],
    ("_dmarc.wary.test", "TXT"): ["v=DMARC1; p=quarantine"],
    ("sloppy.test", "TXT"): ["v=spf1 ?all"],
    ("_dmarc.sloppy.test", "TXT"): ["v=DMARC1; p=reject"],
    ("default._bimi.bank.test", "TXT"): ["v=BIMI1; l=https://bank.test/logo.svg; a=https://bank.test/logo.pem"],
    **{(domain, "MX"): ["10 mail.bank.test"] for domain in ("bank.test", "shop.test", "list.test", "wary.test", "sloppy.test")},
    (GOOD, "PTR"): ["mail.bank.test"],
    (BAD, "PTR"): ["bad.test"],
    ("mail.bank.test", "A"): [GOOD],
    ("bad.test", "A"): [BAD],
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("mailauth")
    with Knot(folder / "knot", RECORDS) as knot, running(folder / "node", workers=1, extra=knot.toml) as started:
        started.run("setting", "set", "mailauth.dmarc", "reject")
        started.run("setting", "set", "mailauth.trusted_sealers", "list.test")
        started.run("setting", "set", "mailauth.dmarc_domains", "wary.test=enforce", "sloppy.test=mark")
        started.run("setting", "set", "smtp.proxy_networks", "127.0.0.1/32")
        until(lambda: knows_the_balancer(started))
        yield started


def knows_the_balancer(node: Node) -> bool:
    with Wire(node.ports["smtp"], first=proxy_v1(GOOD)) as wire:
        wire.line()
        wire.send("NOOP")
        return wire.line().startswith(b"250")


def send(node: Node, subject: str, content: bytes, client: str = GOOD, sender: str = "ceo@bank.test") -> bytes:
    """The reply to the message."""
    with Wire(node.ports["smtp"], first=proxy_v1(client)) as wire:
        wire.line()
        for line in ("HELO mail.bank.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{JANE}>", "DATA"):
            wire.send(line)
            assert wire.line()[:1] in b"23"
        wire.send(content.replace(b"SUBJECT", subject.encode()) + b".\r\n")
        return wire.line()


def message(author: str = "ceo@bank.test", subject: str = "SUBJECT") -> bytes:
    head = f"From: {author}\r\nTo: {JANE}\r\nSubject: {subject}\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    return head.encode() + b"\r\nHi.\r\n"


def received(node: Node, subject: str, mailbox: str = "INBOX") -> bytes:
    """The one message with this subject in jane's mailbox."""
    with ImapWire(node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
        reader.login(JANE)
        reader.good(f'EXAMINE "{mailbox}"')
        uids = reader.good(f'UID SEARCH SUBJECT "{subject}"').lines[-1].split()[2:]
        assert len(uids) == 1, f"{len(uids)} messages with the subject {subject}"
        (found,) = reader.good(f"UID FETCH {uids[0].decode()} (BODY.PEEK[])").of("FETCH")
    return found.partition(b"\r\n")[2].removesuffix(b")")


def results_of(content: bytes) -> str:
    """The value of the one Authentication-Results field, on one line."""
    head = content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode()
    [line] = [line for line in head.split("\r\n") if line.startswith("Authentication-Results:")]
    return line


def fields_of(content: bytes, name: str) -> list[str]:
    """The values of all fields of a name, each on one line."""
    head = content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode()
    return [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith(f"{name}:")]


def fold_all(fields: Sequence[tuple[str, str]]) -> bytes:
    return b"".join(fold(name, value) for name, value in fields)


@pytest.mark.spec_part("MAU-1")
def test_a_good_message_is_marked_as_good(node: Node) -> None:
    assert send(node, "good-1", message()).startswith(b"250 ")
    line = results_of(received(node, "good-1"))
    assert line.startswith("Authentication-Results: mx.example.test; ")
    assert "spf=pass (192.0.2.50 matches ip4:192.0.2.0/24) smtp.mailfrom=ceo@bank.test" in line
    assert "dmarc=pass (p=reject; spf bank.test) header.from=bank.test" in line


@pytest.mark.spec_part("MAU-1")
def test_a_forged_message_is_refused_by_its_domains_policy(node: Node) -> None:
    reply = send(node, "forged-1", message(), client=BAD)
    assert reply.startswith(b"550 5.7.1 Refused by the policy of bank.test (DMARC)")


@pytest.mark.spec_part("MAU-1")
@pytest.mark.parametrize(("key", "selector"), [(RSA, "s1"), (ED, "e1")], ids=["rsa", "ed25519"])
def test_a_signed_message_passes_from_anywhere(node: Node, key: Keypair, selector: str) -> None:
    subject = f"signed-{key.kind}"
    content = with_signature(message(subject=subject), key.signer("bank.test", selector), 1_700_000_000)
    assert send(node, subject, content, client=BAD).startswith(b"250 ")
    line = results_of(received(node, subject))
    assert "spf=fail" in line
    assert f"dkim=pass ({'2048-bit rsa' if key.kind == 'rsa' else 'ed25519'} key) header.d=bank.test" in line
    assert "dmarc=pass" in line


@pytest.mark.spec_part("MAU-1")
def test_a_list_that_is_trusted_may_vouch_for_what_it_passes_on(node: Node) -> None:
    content = message(subject="listed-1")
    said = "mx.list.test; spf=pass smtp.mailfrom=ceo@bank.test; dmarc=pass header.from=bank.test"
    fields = seal(signed(content), RSA.signer("list.test"), ArcResult("none"), said, 1_700_000_000)
    content = b"".join(fold(name, value) for name, value in fields) + content
    assert send(node, "listed-1", content, client=BAD, sender="owner@list.test").startswith(b"250 ")
    assert "arc=pass" in results_of(received(node, "listed-1"))
    assert send(node, "listed-2", content.replace(b"Hi.", b"Buy."), client=BAD, sender="owner@list.test").startswith(b"550 ")


@pytest.mark.spec_part("MAU-1")
def test_a_lie_in_our_name_does_not_survive(node: Node) -> None:
    lie = b"Authentication-Results: mx.example.test; dmarc=pass header.from=lie.test\r\n"
    assert send(node, "lie-1", lie + message("x@shop.test"), client=BAD, sender="x@shop.test").startswith(b"250 ")
    line = results_of(received(node, "lie-1"))
    assert "lie.test" not in line
    assert "spf=softfail" in line


@pytest.mark.spec_part("MAU-1")
def test_a_strict_domains_picture_is_named_and_no_strangers_is(node: Node) -> None:
    lie = b"BIMI-Location: v=BIMI1; l=https://evil.test/bank.svg\r\nBIMI-Indicator: PHN2Zy8+\r\n"
    assert send(node, "picture-1", lie + message()).startswith(b"250 ")
    content = received(node, "picture-1")
    assert fields_of(content, "BIMI-Location") == ["v=BIMI1; l=https://bank.test/logo.svg; a=https://bank.test/logo.pem"]
    assert b"BIMI-Indicator" not in content
    assert send(node, "picture-2", lie + message("x@shop.test"), sender="x@shop.test").startswith(b"250 ")
    assert b"BIMI-" not in received(node, "picture-2")


@pytest.mark.spec("MAU-1")
def test_each_standard_has_its_say_and_each_domain_its_policy(node: Node) -> None:
    """RFC 7208, 6376, 8463, 9989, 8617, 8601 and BIMI on one node, seen in replies, fields, mailboxes and traces."""
    for key, selector, word in ((RSA, "s1", "rsa-sha256"), (ED, "e1", "ed25519-sha256")):
        content = with_signature(message(subject=f"whole-{word}"), key.signer("bank.test", selector), 1_700_000_000)
        assert send(node, f"whole-{word}", content).startswith(b"250 ")
        line = results_of(received(node, f"whole-{word}"))
        assert line.startswith("Authentication-Results: mx.example.test; ")
        said = (
            "spf=pass",
            "smtp.mailfrom=ceo@bank.test",
            "dkim=pass",
            f"header.a={word}",
            "dmarc=pass",
            "header.from=bank.test",
        )
        assert not [word for word in (*said, "bimi=pass", "header.selector=default") if word not in line], line
        assert fields_of(received(node, f"whole-{word}"), "BIMI-Location")[0].startswith(
            "v=BIMI1; l=https://bank.test/logo.svg"
        )
    sealed = fold_all(
        seal(signed(message(subject="whole-arc")), RSA.signer("list.test"), ArcResult("none"), VOUCHED, 1_700_000_000)
    )
    assert send(node, "whole-arc", sealed + message(subject="whole-arc"), client=BAD, sender="o@list.test").startswith(b"250 ")
    assert "arc=pass" in results_of(received(node, "whole-arc"))
    assert send(node, "whole-forged", message(), client=BAD).startswith(b"550 5.7.1 Refused by the policy of bank.test (DMARC)")
    assert send(node, "whole-sloppy", message("x@sloppy.test"), sender="x@sloppy.test").startswith(b"250 ")
    line = results_of(received(node, "whole-sloppy"))
    assert "dmarc=fail" in line
    assert "bimi=" not in line
    assert send(node, "whole-wary", message("x@wary.test"), sender="x@wary.test").startswith(b"250 ")
    assert "dmarc=fail" in results_of(received(node, "whole-wary", "Junk Mail")), "its wish for quarantine is followed"
    story = until(lambda: [s for s in node.json("mail", "trace", "ceo@bank.test") if s["subject"] == "whole-rsa-sha256"], 30)[0]
    rules = {step["rule"] for event in story["events"] for step in event["steps"] if step["stage"] == "authenticate"}
    assert {"spf-mailfrom", "dkim", "dmarc", "bimi"} <= rules


@pytest.mark.spec_part("OUT-8")
def test_a_users_message_is_signed_with_the_domains_keys(node: Node) -> None:
    records: dict[str, str] = {}
    for algorithm in ("rsa", "ed25519"):
        row = node.json("dkim", "add", "example.test", "--algorithm", algorithm)
        records[f"{row['name']}."] = row["text"]
    node.run("dkim", "rotate", "example.test")
    with Wire(node.ports["submission"], first=proxy_v1("127.0.0.1")) as wire:
        wire.line()
        token = base64.b64encode(f"\0{JANE}\0{PASSWORD}".encode()).decode()
        for line in ("HELO laptop", f"AUTH PLAIN {token}", f"MAIL FROM:<{JANE}>", f"RCPT TO:<{JANE}>", "DATA"):
            wire.send(line)
            assert wire.line()[:1] in b"23", line
        wire.send(message(JANE, "own-1") + b".\r\n")
        assert wire.line().startswith(b"250 ")
    content = received(node, "own-1")
    assert content.count(b"DKIM-Signature:") == 2

    def published(name: bytes, **_: object) -> bytes:
        return records[name.decode()].encode()

    verifier = dkim.DKIM(content)
    assert all(verifier.verify(idx=index, dnsfunc=published) for index in range(2))
