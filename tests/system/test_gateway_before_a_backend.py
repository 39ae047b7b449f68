"""A gateway in front of another server, both real: recipients are checked before mail is taken (INB-5), routes and the message
router lead on (RTE-1, RTE-3), TLS both ways (INB-2), who must log in (INB-3), what ESMTP offers (INB-8).
"""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterator

import pytest

from support.clients import SmtpWire, proxy_v1
from support.desk import Desk
from support.node import PASSWORD, Node, running, until
from support.scripted_host import ScriptedHost, in_background, server_context

JANE = "jane@example.test"
STRANGER, LISTED, OTHER = "192.0.2.10", "192.0.2.20", "192.0.2.21"
CLIENTS = itertools.count(1)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("backend"), services=("smtp", "lmtp"), workers=1, name="backend.behind.test") as node:
        node.run("domain", "add", "behind.test")
        node.add_user("mei@behind.test")
        yield node


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("gateway")
    with running(folder, services=("smtp", "submission", "imap", "admin"), workers=1, name="mx.example.test") as node:
        node.run("smtp", "set", "proxy_networks", "127.0.0.1/32")
        yield node


@pytest.fixture(scope="module")
def desk(gateway: Node) -> Iterator[Desk]:
    with Desk(gateway, first=proxy_v1("127.0.0.1")) as made:
        made.set("smtp.sender_check", "off")
        made.set("smtp.tarpit_s", "0")
        made.set("mailauth.verify", "off")
        made.set("queue.first_retry_s", "0.3")
        yield made


def rcpt(node: Node, address: str, client: str = "") -> str:
    """The answer to RCPT TO, by a client that nobody knows yet."""
    client = client or f"198.18.{next(CLIENTS) % 250}.{next(CLIENTS) % 250 + 1}"
    with SmtpWire(node.ports["smtp"], first=proxy_v1(client)) as wire:
        assert "SIZE" in wire.greeted()
        assert wire.ask("MAIL FROM:<x@elsewhere.test>").startswith("250")
        return wire.ask(f"RCPT TO:<{address}>")


def deliver(node: Node, *recipients: str, subject: str, login: bool = False) -> None:
    with SmtpWire(node.ports["smtp"], first=proxy_v1("127.0.0.1")) as wire:
        wire.greeted()
        if login:
            word = base64.b64encode(f"\0{JANE}\0{PASSWORD}".encode()).decode()
            assert wire.ask(f"AUTH PLAIN {word}").startswith("235")
        wire.ask(f"MAIL FROM:<{JANE if login else 'x@elsewhere.test'}>")
        for recipient in recipients:
            reply = wire.ask(f"RCPT TO:<{recipient}>")
            assert reply.startswith("250"), reply
        wire.ask("DATA")
        reply = wire.ask(f"From: {JANE}\r\nSubject: {subject}\r\n\r\nhi\r\n.")
        assert reply.startswith("250"), reply


@pytest.mark.spec_part("INB-5")
def test_unknown_recipients_of_a_backend_are_refused_before_their_mail_is_taken(
    gateway: Node, desk: Desk, backend: Node
) -> None:
    """LDAP as a source has a test of its own (test_outside_directory)."""
    smtp, lmtp = (f"127.0.0.1:{backend.ports[service]}" for service in ("smtp", "lmtp"))
    desk.ask("route", "add", "behind.test", smtp)
    assert rcpt(gateway, "nobody@behind.test").startswith("250"), "off by default"
    assert rcpt(gateway, "nobody@example.test").startswith("550 5.1.1"), "our own domain always"
    desk.set("smtp.recipient_check", "call-forward")
    for hop in (smtp, f"lmtp://{lmtp}/off"):
        desk.ask("route", "add", "behind.test", hop)
        until(lambda: rcpt(gateway, "nobody@behind.test").startswith("550 5.1.1"))
        assert rcpt(gateway, "mei@behind.test").startswith("250")
    known = "nobody@behind.test is not known to 127.0.0.1, which says: 550 5.1.1 No such user here"
    until(lambda: known in "".join(desk.ask("mail", "trace", "--recipient", "nobody@behind.test")))
    desk.set("smtp.recipient_check", "routes directory")
    until(lambda: rcpt(gateway, "mei@behind.test").startswith("550"))
    desk.ask("route", "add", "mei@behind.test", smtp)
    until(lambda: rcpt(gateway, "mei@behind.test").startswith("250"))
    desk.ask("domain", "add", "behind.test")
    desk.ask("user", "add", "tom@behind.test", PASSWORD)
    until(lambda: rcpt(gateway, "tom@behind.test").startswith("250"))
    assert rcpt(gateway, "nobody@behind.test").startswith("550")
    desk.set("smtp.recipient_check", "call-forward")
    desk.ask("route", "add", "dead.test", "127.0.0.1:1")
    until(lambda: rcpt(gateway, "x@dead.test").startswith("451"))
    desk.set("smtp.recipient_check_failure", "accept")
    until(lambda: rcpt(gateway, "x@dead.test").startswith("250"))
    desk.set("smtp.recipient_check", "")
    for target in ("behind.test", "mei@behind.test", "dead.test"):
        desk.ask("route", "delete", target)


@pytest.mark.spec_part("RTE-1")
def test_the_rest_of_a_domain_goes_to_its_old_server(gateway: Node, desk: Desk) -> None:
    old = ScriptedHost(lmtp=True)
    with in_background(old):
        desk.ask("route", "add", "*@example.test", f"lmtp://127.0.0.1:{old.port}/off")
        until(lambda: rcpt(gateway, "paul@example.test").startswith("250"))
        deliver(gateway, "paul@example.test", JANE, subject="to the old server")
        until(lambda: old.heard)
        desk.ask("route", "delete", "*@example.test")
    assert [heard.recipients for heard in old.heard] == [["RCPT TO:<paul@example.test>"]]
    assert old.commands[0] == "LHLO mx.example.test"


@pytest.mark.spec("RTE-3")
def test_everything_accepted_goes_to_the_message_router(gateway: Node, desk: Desk) -> None:
    router, elsewhere = ScriptedHost(context=server_context()), ScriptedHost()
    with in_background(router, elsewhere):
        desk.ask("route", "add", "routed.test", f"127.0.0.1:{elsewhere.port}")
        desk.set("route.message_router", f"127.0.0.1:{router.port}/required")
        until(lambda: tried(gateway, router), step_s=0.2)
        router.heard.clear()
        deliver(gateway, JANE, "any@routed.test", subject="from a stranger")
        deliver(gateway, "omar@example.org", "x@faraway.test", subject="from a user", login=True)
        until(lambda: len(set(whom(router))) == 4)
        assert rcpt(gateway, "nobody@example.test").startswith("550 5.1.1"), "recipients here must exist all the same"
        assert rcpt(gateway, "x@faraway.test").startswith("550 5.7.1"), "and strangers may not relay"
        desk.set("route.message_router", "")
        desk.ask("route", "delete", "routed.test")
    assert sorted(set(whom(router))) == ["any@routed.test", "jane@example.test", "omar@example.org", "x@faraway.test"]
    assert all(heard.tls for heard in router.heard)
    assert elsewhere.heard == []


def tried(node: Node, host: ScriptedHost) -> bool:
    """Whether the host has heard of a message to jane by now."""
    deliver(node, JANE, subject="probe")
    return bool(host.heard)


def whom(host: ScriptedHost) -> list[str]:
    return sorted(line.partition("<")[2].partition(">")[0] for heard in host.heard for line in heard.recipients)


@pytest.mark.spec("INB-2")
def test_tls_on_25_is_offered_required_or_off_as_set_and_used_on_the_way_out_where_it_is_offered(
    gateway: Node, desk: Desk
) -> None:
    assert "STARTTLS" in ehlo(gateway)
    assert rcpt(gateway, JANE).startswith("250"), "clear text stays possible"
    with SmtpWire(gateway.ports["smtp"], first=proxy_v1(STRANGER)) as wire:
        wire.greeted()
        assert wire.ask("STARTTLS").startswith("220")
        wire.start_tls()
        assert "STARTTLS" not in wire.ask("EHLO client.test")
        assert wire.ask("MAIL FROM:<x@elsewhere.test>").startswith("250")
    with desk.settings(starttls="required"):
        until(lambda: mail_from(gateway).startswith("530 5.7.0"))
    with desk.settings(starttls="off"):
        until(lambda: "STARTTLS" not in ehlo(gateway))
    secure, plain = ScriptedHost(context=server_context()), ScriptedHost()
    with in_background(secure, plain):
        desk.ask("route", "add", "secure.test", f"127.0.0.1:{secure.port}")
        desk.ask("route", "add", "plain.test", f"127.0.0.1:{plain.port}")
        until(lambda: rcpt(gateway, "x@plain.test").startswith("250"))
        deliver(gateway, "x@secure.test", "x@plain.test", subject="on the way out")
        until(lambda: secure.heard and plain.heard)
        for target in ("secure.test", "plain.test"):
            desk.ask("route", "delete", target)
    assert (secure.heard[0].tls, plain.heard[0].tls) == (True, False)


def ehlo(node: Node, client: str = STRANGER, *, tls: bool = False) -> str:
    with SmtpWire(node.ports["smtp"], first=proxy_v1(client)) as wire:
        found = wire.greeted()
        if tls:
            wire.ask("STARTTLS")
            wire.start_tls()
            found = wire.ask("EHLO client.test")
        return found


def mail_from(node: Node, client: str = STRANGER) -> str:
    with SmtpWire(node.ports["smtp"], first=proxy_v1(client)) as wire:
        wire.greeted()
        return wire.ask("MAIL FROM:<x@elsewhere.test>")


@pytest.mark.spec_part("INB-3")
def test_who_must_log_in_on_25_is_as_set_and_logins_are_not_offered_in_clear_text(gateway: Node, desk: Desk) -> None:
    assert "AUTH" not in ehlo(gateway), "clear text from elsewhere"
    assert "AUTH PLAIN LOGIN SCRAM-SHA-256" in ehlo(gateway, tls=True)
    assert "AUTH PLAIN LOGIN SCRAM-SHA-256" in ehlo(gateway, "127.0.0.1"), "from this machine"
    with desk.settings(relay_networks=f"{LISTED}/32"):
        until(lambda: rcpt(gateway, "x@faraway.test", LISTED).startswith("250"))
        assert rcpt(gateway, "x@faraway.test", OTHER).startswith("550 5.7.1"), "norelays: those that are not listed must log in"
        assert mail_from(gateway, OTHER).startswith("250"), "to relay, not to deliver here"
        with desk.settings(auth="required"):
            until(lambda: mail_from(gateway, OTHER).startswith("530 5.7.0"))
            assert mail_from(gateway, LISTED).startswith("250")
        with desk.settings(auth="off"):
            until(lambda: "AUTH" not in ehlo(gateway, tls=True))
            assert mail_from(gateway, OTHER).startswith("250")


@pytest.mark.spec("INB-8")
def test_esmtp_is_offered_whole_and_only_crlf_dot_crlf_ends_a_message(gateway: Node, desk: Desk) -> None:
    """What each extension does has tests of its own (test_client_smtp_wire, test_client_smtplib, the dialogues)."""
    offered = {line.partition(" ")[0] for line in ehlo(gateway, tls=True).splitlines()[1:]}
    assert offered >= {
        "PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES", "SIZE", "AUTH", "LIMITS",
        "REQUIRETLS",
    }  # fmt: skip
    assert "STARTTLS" in ehlo(gateway)
    assert "REQUIRETLS" not in ehlo(gateway), "it cannot be honoured in clear text"
    for ending in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\n\n.\n\n"):
        assert sent_with(gateway, ending).startswith("550 5.6.0"), ending
    desk.set("smtp.bare_newline", "normalise")
    until(lambda: sent_with(gateway, b"\n.\n").startswith("250"))
    for ending in (b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n"):
        assert sent_with(gateway, ending).startswith("250"), "one message, made whole"
    desk.ask("setting", "reset", "smtp.bare_newline")


def sent_with(node: Node, ending: bytes) -> str:
    """The one reply to a message with a lie about its end in the middle; after it the session goes on."""
    with SmtpWire(node.ports["smtp"], first=proxy_v1(STRANGER)) as wire:
        wire.greeted()
        for command in ("MAIL FROM:<x@elsewhere.test>", f"RCPT TO:<{JANE}>", "DATA"):
            wire.ask(command)
        wire.send(
            b"Subject: one\r\n\r\nbefore" + ending + b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<omar@example.org>\r\n.\r\n"
        )
        reply = wire.replies()[0]
        wire.send("NOOP")
        began = time.monotonic()
        assert wire.replies()[0].startswith("250 2.0.0")
        assert time.monotonic() - began < 20
        return reply
