"""Scripts run on mail by a real node: a user's by ManageSieve, a domain's and the system's by the command line."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from support.node import PASSWORD, Node, running

managesieve = pytest.importorskip("managesieve")
JANE, OMAR = "jane@example.test", "omar@example.org"
MAIL = "From: lena@elsewhere.test\r\nTo: jane@example.test\r\nSubject: {subject}\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("filters"), services=("smtp", "imap", "managesieve")) as started:
        started.run("setting", "set", "route.smart_host", "127.0.0.1:9")  # nobody there: what leaves stays in the queue
        yield started


def upload(node: Node, login: str, script: str) -> None:
    client = managesieve.MANAGESIEVE("127.0.0.1", node.ports["managesieve"])
    assert client.login("", login, PASSWORD) == "OK"
    assert client.putscript("main", script) == "OK", client.response_text
    assert client.setactive("main") == "OK"
    client.logout()


def count(node: Node, login: str, mailbox: str) -> int:
    client = node.imap(login)
    kind, data = client.select(f'"{mailbox}"')
    client.logout()
    return int(data[0] or b"0") if kind == "OK" else -1


def queued(node: Node) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.json("queue", "list")
    return found


def send(node: Node, subject: str, *recipients: str, sender: str = "lena@elsewhere.test") -> None:
    with node.smtp() as client:
        client.sendmail(sender, recipients or (JANE,), MAIL.format(subject=subject).encode())


@pytest.mark.spec_part("CON-1", "CON-2", "CON-3")
def test_a_users_script_files_answers_refuses_and_sends_on(node: Node) -> None:
    upload(
        node,
        JANE,
        'require ["fileinto", "mailbox", "imap4flags", "vacation", "reject"];\n'
        'if header :contains "subject" "offer" { reject "No offers, please"; stop; }\n'
        'if header :contains "subject" "away" { redirect "far@other.test"; stop; }\n'
        'if header :contains "subject" "news" { fileinto :create :flags "\\\\Flagged" "Lists/News"; stop; }\n'
        'if header :contains "subject" "question" { vacation "I am away."; }\n',
    )
    send(node, "the news")
    assert (count(node, JANE, "Lists/News"), count(node, JANE, "INBOX")) == (1, 0)

    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(node, "an offer")
    assert (refused.value.smtp_code, refused.value.smtp_error) == (550, b"5.7.1 No offers, please")

    send(node, "away")
    assert any("far@other.test" in str(row) for row in queued(node))
    assert count(node, JANE, "INBOX") == 0

    before = count(node, OMAR, "INBOX")
    for _ in range(2):
        send(node, "a question", sender=OMAR)
    assert (count(node, JANE, "INBOX"), count(node, OMAR, "INBOX")) == (2, before + 1)
    told = node.run("mail", "trace", JANE).stdout
    assert "files it into Lists/News with \\Flagged (line 4)" in told
    assert "answers omar@example.org (line 5)" in told


@pytest.mark.spec_part("CON-1", "CON-2", "CON-3")
def test_filters_of_a_domain_and_of_the_system_made_by_the_command_line_work(node: Node) -> None:
    node.run(
        "filter", "add", "Big", "--domain", "example.org", "--when", "subject contains sale", "--do", "move_to Sales create"
    )
    node.run("filter", "add", "Worm", "--system", "--when", "subject is worm", "--do", 'reject "Not here"')
    send(node, "a sale", OMAR)
    assert count(node, OMAR, "Sales") == 1
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(node, "worm", JANE, OMAR)
    assert refused.value.smtp_error == b"5.7.1 Not here"
    node.run("filter", "disable", "Worm", "--system")
    before = count(node, OMAR, "INBOX")
    send(node, "worm", OMAR)
    assert count(node, OMAR, "INBOX") == before + 1
