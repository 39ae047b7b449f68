"""SMTP by raw socket against a running node: what libraries do not do by themselves, and what attackers do (INB-8)."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator

import pytest
from scramp import ScramClient  # type: ignore[import-untyped]

from support.clients import ImapWire, SmtpWire, message_of, subjects
from support.node import PASSWORD, Node, running

JANE, OMAR = "jane@example.test", "omar@example.org"
STRANGER = "stranger@elsewhere.test"
OPEN = f"MAIL FROM:<{STRANGER}>\r\nRCPT TO:<{JANE}>\r\n".encode()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("smtpwire"), services=("smtp", "submission", "imap")) as started:
        yield started


@pytest.fixture
def wire(node: Node) -> Iterator[SmtpWire]:
    with SmtpWire(node.ports["smtp"]) as connected:
        connected.greeted()
        yield connected


@pytest.mark.spec_part("INB-8")
def test_a_whole_session_pipelined_in_three_writes(node: Node) -> None:
    with SmtpWire(node.ports["smtp"]) as wire:
        assert "PIPELINING" in wire.greeted()
        wire.send(OPEN + f"RCPT TO:<{OMAR}>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n".encode())
        assert [reply[:3] for reply in wire.replies(5)] == ["250", "250", "250", "550", "354"]
        wire.send(b"Subject: pipelined 1\r\n\r\nx\r\n.\r\n" + OPEN + b"DATA\r\n")
        assert [reply[:3] for reply in wire.replies(4)] == ["250", "250", "250", "354"]
        wire.send(b"Subject: pipelined 2\r\n\r\nx\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
        assert [reply[:3] for reply in wire.replies(4)] == ["250", "250", "250", "221"]
        assert wire.ends()
    assert {"pipelined 1", "pipelined 2"} <= set(subjects(node, JANE))
    assert "pipelined 1" in subjects(node, OMAR)


@pytest.mark.spec_part("INB-8")
def test_data_after_no_valid_recipient_is_refused_without_its_message_being_taken_for_commands(wire: SmtpWire) -> None:
    wire.send(f"MAIL FROM:<{STRANGER}>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n".encode())
    assert [reply[:3] for reply in wire.replies(3)] == ["250", "550", "554"]
    assert wire.ask("NOOP").startswith("250")


@pytest.mark.spec_part("INB-8")
def test_bdat_in_several_chunks(node: Node, wire: SmtpWire) -> None:
    head, tail = b"Subject: in chunks\r\n\r\n", b".\r\n..\r\nno dot is stuffed here\r\n"
    wire.send(OPEN + b"BDAT %d\r\n" % len(head) + head)
    assert [reply[:3] for reply in wire.replies(3)] == ["250", "250", "250"]
    wire.send(b"BDAT %d\r\n" % len(tail) + tail + b"BDAT 0 LAST\r\n")
    assert [reply[:3] for reply in wire.replies(2)] == ["250", "250"]
    assert message_of(node, JANE, "in chunks").endswith(head + tail)


@pytest.mark.spec_part("INB-8")
def test_binarymime_carries_any_octets_to_the_reader(node: Node, wire: SmtpWire) -> None:
    octets = bytes(range(256)) * 40
    content = b"Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    content += b"Content-Transfer-Encoding: binary\r\n\r\n" + octets
    assert wire.ask(f"MAIL FROM:<{STRANGER}> BODY=BINARYMIME").startswith("250")
    assert wire.ask(f"RCPT TO:<{JANE}>").startswith("250")
    assert wire.ask("DATA").startswith("503")
    assert wire.ask(b"BDAT %d LAST\r\n" % len(content) + content).startswith("250 2.0.0")
    with ImapWire(node.ports["imap"]) as reader:
        reader.login(JANE)
        reader.good("SELECT INBOX")
        uid = reader.good('UID SEARCH SUBJECT "binary"').lines[-1].split()[-1].decode()
        (found,) = reader.good(f"UID FETCH {uid} (BINARY.PEEK[1])").of("FETCH")
    assert octets in found


@pytest.mark.spec_part("INB-8")
@pytest.mark.parametrize(
    "ending", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\r\n", b"\r\n\x00.\r\n"]
)
def test_no_other_ending_smuggles_a_second_message(node: Node, wire: SmtpWire, ending: bytes) -> None:
    """SEC Consult's SMTP smuggling (CVE-2023-51764 and its kin): what follows a wrong end of data is part of the message."""
    smuggled = (
        b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<" + OMAR.encode() + b">\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
    )
    wire.send(OPEN + b"DATA\r\n")
    wire.replies(3)
    wire.send(b"Subject: outer\r\n\r\nx" + ending + smuggled)
    first = wire.replies()[0]
    assert first[:3] in ("250", "554", "550", "552"), first
    assert wire.ask("NOOP").startswith("250")
    assert "smuggled" not in subjects(node, OMAR)


@pytest.mark.spec_part("INB-8")
def test_commands_after_starttls_in_the_same_packet_are_dropped(node: Node) -> None:
    """CVE-2011-0411: what was injected in clear text must not run inside TLS."""
    with SmtpWire(node.ports["smtp"]) as wire:
        wire.greeted()
        wire.send(b"STARTTLS\r\nRSET\r\nNOOP\r\n")
        assert wire.replies()[0].startswith("220")
        wire.start_tls()
        assert wire.ask("EHLO again").startswith("250")
        assert wire.ask("NOOP").startswith("250")


@pytest.mark.spec_part("INB-2")
def test_starttls_is_offered_required_or_off_as_set(node: Node) -> None:
    def answers(command: str) -> set[str]:
        found = set()
        for _ in range(6):
            with SmtpWire(node.ports["smtp"]) as wire:
                wire.greeted()
                found.add(wire.ask(command)[:9])
        return found

    assert answers(f"MAIL FROM:<{STRANGER}>") == {"250 2.1.0"}
    for value, command, wanted in [
        ("required", f"MAIL FROM:<{STRANGER}>", "530 5.7.0"),
        ("off", "STARTTLS", "502 5.5.1"),
        ("offered", "STARTTLS", "220 2.0.0"),
    ]:
        node.run("smtp", "set", "starttls", value)
        end = time.monotonic() + 60
        while (found := answers(command)) != {wanted}:
            assert time.monotonic() < end, f"with {value}, {command} is answered {found}"


def test_a_large_message_in_small_pieces_and_the_next_command_in_its_last_one(node: Node, wire: SmtpWire) -> None:
    wire.send(OPEN + b"DATA\r\n")
    wire.replies(3)
    content = b"Subject: in pieces\r\n\r\n" + b"".join(b"%06d %s\r\n" % (n, b"." * (n % 70)) for n in range(20_000))
    data = content.replace(b"\r\n.", b"\r\n..") + b".\r\nNOOP\r\n"
    for start in range(0, len(data), 1361):
        wire.send(data[start : start + 1361])
    assert [reply[:3] for reply in wire.replies(2)] == ["250", "250"]
    assert message_of(node, JANE, "in pieces").endswith(content)


@pytest.mark.spec_part("INB-9")
def test_errors_end_the_connection_after_a_while(node: Node, wire: SmtpWire) -> None:
    codes: list[str] = []
    while not codes or codes[-1] != "421":
        codes.append(wire.ask("MAKE COFFEE")[:3])
        assert len(codes) <= 30
    assert set(codes[:-1]) == {"500"}
    assert wire.ends()


@pytest.mark.spec_part("OUT-1", "INB-3")
def test_scram_logs_in_at_submission(node: Node) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    with SmtpWire(node.ports["submission"]) as wire:
        assert "SCRAM-SHA-256" in wire.greeted()
        client = ScramClient(["SCRAM-SHA-256"], JANE, PASSWORD)
        challenge = wire.ask(f"AUTH SCRAM-SHA-256 {encoded(client.get_client_first())}")
        client.set_server_first(base64.b64decode(challenge.removeprefix("334 ")).decode())
        final = wire.ask(encoded(client.get_client_final()))
        client.set_server_final(base64.b64decode(final.removeprefix("334 ")).decode())
        assert wire.ask("").startswith("235")
        assert wire.ask(f"MAIL FROM:<{JANE}>").startswith("250")
