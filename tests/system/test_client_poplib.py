"""poplib and POP3 by hand against a running node (POP-1)."""

from __future__ import annotations

import base64
import itertools
import poplib
from collections.abc import Iterator

import pytest
from scramp import ScramClient  # type: ignore[import-untyped]

from support.clients import Wire, trusting_tls
from support.node import PASSWORD, Node, running, until

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    services = ("smtp", "imap", "pop3", "pop3s")
    with running(tmp_path_factory.mktemp("poplib"), services=services) as started:
        started.run("setting", "set", "auth.failure_delay_s", "0.1")
        yield started


@pytest.fixture
def user(node: Node) -> str:
    """A user of the test's own, with three messages."""
    address = f"user{next(_numbers)}@example.test"
    node.add_user(address)
    for number in range(1, 4):
        node.send(address, f"Subject: number {number}\r\n\r\nfirst\r\n.\r\n..two\r\nlast\r\n")
    return address


class PopWire(Wire):
    """POP3 by hand."""

    def ask(self, command: str) -> str:
        self.send(command)
        return self.line().decode()

    def listing(self, command: str) -> list[str]:
        """An answer of many lines, without the first and the dot."""
        assert (first := self.ask(command)).startswith("+OK"), first
        lines = []
        while (line := self.line().decode()) != ".":
            lines.append(line.removeprefix("."))
        return lines

    def login(self, user: str) -> str:
        self.line()
        assert self.ask(f"USER {user}").startswith("+OK")
        return self.ask(f"PASS {PASSWORD}")

    def __enter__(self) -> PopWire:
        return self


def log_in(node: Node, user: str, how: str) -> poplib.POP3:
    client: poplib.POP3
    if how == "pop3s":
        client = poplib.POP3_SSL("127.0.0.1", node.ports["pop3s"], timeout=30, context=trusting_tls())
    else:
        client = node.pop()
        if how == "stls":
            assert "STLS" in client.capa()
            client.stls(trusting_tls())
            assert "STLS" not in client.capa()
    client.user(user)
    client.pass_(PASSWORD)
    return client


@pytest.mark.spec_part("POP-1", "TLS-1")
@pytest.mark.parametrize("how", ["pop3", "stls", "pop3s"])
def test_mail_is_listed_read_and_deleted(node: Node, user: str, how: str) -> None:
    client = log_in(node, user, how)
    count, size = client.stat()
    assert count == 3
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert sum(sizes) == size
    unique = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(unique)) == 3
    _, lines, octets = client.retr(2)
    assert lines[-4:] == [b"first", b".", b"..two", b"last"]
    assert octets == sizes[1] == len(b"\r\n".join(lines)) + 2
    top = client.top(2, 1)[1]
    assert top[-3:] == [b"Subject: number 2", b"", b"first"]
    client.dele(2)
    with pytest.raises(poplib.error_proto):
        client.retr(2)
    client.rset()
    assert client.stat() == (3, size)
    client.dele(1)
    client.dele(3)
    client.quit()
    again = log_in(node, user, how)
    assert [line.split()[1] for line in again.uidl()[1]] == [unique[1]]
    again.quit()


@pytest.mark.spec_part("POP-1")
def test_a_lost_connection_deletes_nothing(node: Node, user: str) -> None:
    client = log_in(node, user, "pop3")
    client.dele(1)
    client.close()
    again = until(lambda: attempt(node, user))
    assert again.stat()[0] == 3
    again.quit()


def attempt(node: Node, user: str) -> poplib.POP3 | None:
    """A login, unless the lock is still held."""
    client = node.pop()
    client.user(user)
    try:
        client.pass_(PASSWORD)
    except poplib.error_proto as refused:
        assert b"[IN-USE]" in refused.args[0]
        client.close()
        return None
    return client


def capabilities(wire: PopWire) -> dict[str, str]:
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in wire.listing("CAPA")}


def sasl(wire: PopWire, command: str, *answers: str) -> str:
    """An AUTH exchange whose answers do not depend on the challenges."""
    reply = wire.ask(command)
    for answer in answers:
        assert reply.startswith("+ "), reply
        reply = wire.ask(base64.b64encode(answer.encode()).decode())
    return reply


def in_use(node: Node, user: str) -> bool:
    """Whether another session is kept out."""
    with PopWire(node.ports["pop3"]) as wire:
        answer = wire.login(user)
        wire.ask("QUIT")
        return answer.startswith("-ERR [IN-USE]")


@pytest.mark.spec("POP-1")
def test_every_extension_of_pop(node: Node, user: str) -> None:
    """STLS, SASL, TOP, UIDL, PIPELINING, CAPA, RESP-CODES, UTF8, LANG, EXPIRE; inbox only; locked per session."""
    with node.imap(user) as imap:
        imap.append("Archive", "", "", b"Subject: not in the inbox\r\n\r\nx\r\n")
        imap.append("INBOX", "", "", "Subject: Grüße\r\n\r\nx\r\n".encode())
    with PopWire(node.ports["pop3"]) as wire:
        wire.line()
        offered = capabilities(wire)
        assert {"STLS", "USER", "TOP", "UIDL", "PIPELINING", "RESP-CODES", "LANG", "EXPIRE"} <= set(offered)
        assert offered["UTF8"] == "USER"
        assert offered["EXPIRE"] == "NEVER"
        assert {"PLAIN", "LOGIN", "SCRAM-SHA-256"} <= set(offered["SASL"].split())
        assert wire.ask("STLS").startswith("+OK")
        wire.start_tls()
        assert "STLS" not in capabilities(wire)
        assert wire.ask("UTF8").startswith("+OK")
        assert any(line.startswith("en ") for line in wire.listing("LANG"))
        assert wire.ask("LANG en").startswith("+OK")
        assert wire.ask("LANG tlh").startswith("-ERR")
        wire.send(f"USER {user}\r\nPASS {PASSWORD}\r\nSTAT\r\nNOOP")
        answers = [wire.line().decode() for _ in range(4)]
        assert [answer[:3] for answer in answers] == ["+OK"] * 4
        assert answers[2].split()[1] == "4", "the inbox only"
        assert len(wire.listing("UIDL")) == 4
        assert wire.listing("TOP 1 0")[-2:] == ["Subject: number 1", ""]
        assert "Subject: Grüße" in wire.listing("RETR 4")
        assert all(in_use(node, user) for _ in range(8)), "whichever worker answers"
        assert wire.ask("RETR 9").startswith("-ERR")
        assert wire.ask("QUIT").startswith("+OK")
    with PopWire(node.ports["pop3"]) as wire:
        assert wire.login(user).startswith("+OK"), "the lock is gone with its session"
        assert wire.ask("QUIT").startswith("+OK")


@pytest.mark.spec_part("POP-1")
def test_sasl_with_each_mechanism(node: Node, user: str) -> None:
    plain = f"\0{user}\0{PASSWORD}"
    coded = base64.b64encode(plain.encode()).decode()
    for command, answers in ((f"AUTH PLAIN {coded}", ()), ("AUTH PLAIN", (plain,)), ("AUTH LOGIN", (user, PASSWORD))):
        with PopWire(node.ports["pop3"]) as wire:
            wire.line()
            assert sasl(wire, command, *answers).startswith("+OK"), command
            assert wire.ask("QUIT").startswith("+OK")
    with PopWire(node.ports["pop3"]) as wire:
        wire.line()
        client = ScramClient(["SCRAM-SHA-256"], user, PASSWORD)
        challenge = sasl(wire, "AUTH SCRAM-SHA-256", client.get_client_first())
        client.set_server_first(base64.b64decode(challenge.removeprefix("+ ")).decode())
        final = wire.ask(base64.b64encode(client.get_client_final().encode()).decode())
        client.set_server_final(base64.b64decode(final.removeprefix("+ ")).decode())
        assert wire.ask("").startswith("+OK")
        assert wire.ask("QUIT").startswith("+OK")
    with PopWire(node.ports["pop3"]) as wire:
        wire.line()
        assert sasl(wire, "AUTH LOGIN", user, "wrong").startswith("-ERR [AUTH]")
        wire.send("AUTH PLAIN")
        wire.line()
        assert wire.ask("*").startswith("-ERR")


def test_apop_is_not_there_and_nothing_is_read_before_login(node: Node) -> None:
    with PopWire(node.ports["pop3"]) as wire:
        assert "<" not in wire.line().decode()
        for command in ("APOP jane c4c9334bac560ecc979e58001b3e22fb", "STAT", "RETR 1", "LIST", "PASS secret"):
            assert wire.ask(command).startswith("-ERR"), command
        assert wire.ask("QUIT").startswith("+OK")


def test_five_hundred_messages(node: Node) -> None:
    node.add_user("many@example.test")
    with node.smtp() as sender:
        for number in range(500):
            sender.sendmail("s@elsewhere.test", ["many@example.test"], f"Subject: {number}\r\n\r\nx\r\n")
    client = log_in(node, "many@example.test", "pop3")
    assert client.stat()[0] == 500
    for number in range(1, 501):
        assert client.retr(number)[1][-3] == b"Subject: %d" % (number - 1)
        client.dele(number)
    client.quit()
    with node.imap("many@example.test") as reader:
        assert reader.select() == ("OK", [b"0"])
