"""Scripts run on mail by a real node: a user's by ManageSieve, a domain's and the system's by the command line."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from support.asking import Asking
from support.node import PASSWORD, Node, running

managesieve = pytest.importorskip("managesieve")
JANE, OMAR = "jane@example.test", "omar@example.org"
MAIL = "From: lena@elsewhere.test\r\nTo: jane@example.test\r\nSubject: {subject}\r\n\r\n{body}\r\n"


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


def send(node: Node, subject: str, *recipients: str, sender: str = "lena@elsewhere.test", body: str = "Hello.") -> None:
    with node.smtp() as client:
        client.sendmail(sender, recipients or (JANE,), MAIL.format(subject=subject, body=body).encode())


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


@pytest.mark.spec("CON-4")
def test_word_lists_hold_mail_and_rescue_it(node: Node) -> None:
    """Starters that are edited; words, phrases and weights that add up; ten thousand entries and a large body."""
    ask = Asking(node).ask
    starters = {row["name"]: row for row in ask("wordlist", "list")}
    assert starters.keys() == {"corporate", "objectionable"}
    assert all(row["starter"] and row["entries"] >= 10 for row in starters.values())
    ask("wordlist", "add", "corporate", "blue folder", "--weight", "33")
    ask("wordlist", "remove", "corporate", "merger")
    edited = {row["words"]: row["weight"] for row in ask("wordlist", "show", "corporate")}
    assert (edited["blue folder"], edited["strictly confidential"], "merger" in edited) == (33, 30, False)
    entries = [f"5 term{number:05}" for number in range(9_000)] + [f"8 purple cow {number:05}" for number in range(1_000)]
    node.run("wordlist", "load", "projects", stdin="\n".join(entries))
    assert {row["name"]: row["entries"] for row in ask("wordlist", "list")}["projects"] == 10_000

    filters = (
        ("Leaks", "--system", "word_list at_least 60 corporate", "quarantine leaks"),
        ("Games", "--system", "subject contains jackpot", "change_score 70"),
        ("Projects", "--domain=example.org", "word_list at_least 23 projects", "change_score -100"),
    )
    for name, level, condition, action in filters:
        ask("filter", "add", name, level, "--when", condition, "--do", action)
    held_is("The blue folder", "It is\r\nstrictly, strictly confidential!", node, held=True)
    held_is("The blue folder", "It is strictly between us.", node, held=False)
    held_is("A bluefolder", "It is strictly confidential.", node, held=False)
    ask("wordlist", "add", "corporate", "press release", "--weight", "-40")
    held_is("The blue folder", "No longer strictly confidential: our press release.", node, held=False)

    filling = "Nothing to see here, term, purple cows, term0000.\r\n" * 2_000
    for body, place in (
        (f"term00000 {filling} term08999\r\nterm04711 purple\r\ncow 00999", "INBOX"),
        (f"term00000 {filling} term00000\r\nterm00000 purple cow", "Junk Mail"),
    ):
        before = count(node, OMAR, place)
        send(node, "jackpot", OMAR, body=body)
        assert count(node, OMAR, place) == before + 1


def held_is(subject: str, body: str, node: Node, *, held: bool) -> None:
    """A message to omar is held in quarantine ``leaks``, or reaches his inbox."""

    def counts() -> tuple[int, int]:
        return len(Asking(node).ask("quarantine", "list", "--name", "leaks")), count(node, OMAR, "INBOX")

    in_quarantine, in_inbox = counts()
    send(node, subject, OMAR, body=body)
    assert counts() == (in_quarantine + held, in_inbox + (not held))
