"""fetchmail against a running node: POP and IMAP mail handed to a delivery program, removed or kept on the node."""

from __future__ import annotations

import email
import email.policy
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clients import run_client, subjects
from support.node import PASSWORD, Node, running

_numbers = itertools.count(1)
SENT = [f"number {number}" for number in range(12)]
NOTHING_NEW = 1


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    services = ("smtp", "imap", "imaps", "pop3", "pop3s")
    with running(tmp_path_factory.mktemp("fetchmail"), services=services) as started:
        yield started


@pytest.fixture
def user(node: Node) -> str:
    """A user of the test's own, with twelve messages."""
    address = f"user{next(_numbers)}@example.test"
    node.add_user(address)
    with node.smtp() as client:
        for subject in SENT:
            body = f"{subject}\r\n.\r\n..two\r\nFrom the left\r\nGrüße\r\n" + "long line " * 90 + "\r\n"
            message = f"From: s@elsewhere.test\r\nTo: {address}\r\nSubject: {subject}\r\n\r\n{body}"
            client.sendmail("s@elsewhere.test", [address], message.encode())
    return address


class Fetcher:
    """fetchmail with a delivery program that writes each message into a file."""

    def __init__(self, node: Node, home: Path, user: str, service: str, options: str) -> None:
        self.home, self.inbox = home, home / "inbox"
        self.inbox.mkdir()
        deliver = home / "deliver"
        deliver.write_text(f'#!/bin/sh\nexec cat > "$(mktemp {self.inbox}/XXXXXXXX)"\n')
        deliver.chmod(0o700)
        protocol = "IMAP" if service.startswith("imap") else "POP3"
        certificate = node.folder / "data" / "tls" / "self-made.pem"
        tls = "ssl" if service.endswith("s") else "sslproto TLS1.2+"
        self.rc = home / "rc"
        self.rc.write_text(
            f"poll localhost service {node.ports[service]} protocol {protocol} {'uidl' if protocol == 'POP3' else ''}\n"
            f'  user "{user}" password "{PASSWORD}" {tls} sslcertck sslcertfile {certificate} {options}\n'
            f'  no rewrite mda "{deliver}"\n'
        )
        self.rc.chmod(0o600)

    def run(self, status: int = 0) -> None:
        run_client(
            "fetchmail",
            "-d0",
            "-v",
            "-f",
            str(self.rc),
            "--pidfile",
            str(self.home / "pid"),
            home=self.home,
            statuses=(status,),
        )

    def delivered(self) -> dict[str, str]:
        """Bodies by subject."""
        found = {}
        for path in self.inbox.iterdir():
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            found[str(message["Subject"])] = path.read_text().partition("\n\n")[2]
        return found


@pytest.mark.parametrize("service", ["pop3", "pop3s", "imap", "imaps"])
def test_mail_is_fetched_once_whole_and_removed(node: Node, user: str, tmp_path: Path, service: str) -> None:
    fetcher = Fetcher(node, tmp_path, user, service, "fetchall nokeep")
    fetcher.run()
    delivered = fetcher.delivered()
    assert sorted(delivered) == sorted(SENT)
    for subject, body in delivered.items():
        assert body == f"{subject}\n.\n..two\nFrom the left\nGrüße\n" + "long line " * 90 + "\n"
    assert subjects(node, user) == []
    fetcher.run(NOTHING_NEW)


@pytest.mark.parametrize("service", ["pop3", "imap"])
def test_mail_kept_on_the_node_is_not_fetched_twice(node: Node, user: str, tmp_path: Path, service: str) -> None:
    fetcher = Fetcher(node, tmp_path, user, service, "keep")
    fetcher.run()
    assert sorted(fetcher.delivered()) == sorted(SENT)
    fetcher.run(NOTHING_NEW)
    node.send(user, "Subject: one more\r\n\r\nx\r\n")
    fetcher.run()
    assert len(list(fetcher.inbox.iterdir())) == len(SENT) + 1
    assert len(subjects(node, user)) == len(SENT) + 1
