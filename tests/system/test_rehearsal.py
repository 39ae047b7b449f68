"""Rehearsal on a real node: what changes for whom, before it is changed; nothing is delivered (PLN-3)."""

from __future__ import annotations

import json
import mailbox
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.node import Node, running

JANE, OMAR = "jane@example.test", "omar@example.org"
MAIL = "From: Lena <lena@elsewhere.test>\r\nTo: jane@example.test\r\nSubject: {subject}\r\n\r\nHello, {subject}.\r\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("rehearsal")
    extra = '[dns]\nnameservers = ["127.0.0.1:9"]'  # nobody answers there
    with running(folder, services=("smtp", "imap"), workers=1, extra=extra) as started:
        started.run("setting", "set", "smtp.relay_networks", "127.0.0.2")
        for subject in ("offer one", "news", "offer two"):
            send(started, subject, JANE)
        send(started, "offer for both", JANE, OMAR)
        yield started


def send(node: Node, subject: str, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", node.ports["smtp"], timeout=30) as client:
        client.sendmail("lena@elsewhere.test", recipients, MAIL.format(subject=subject).encode())


def count(node: Node, login: str) -> int:
    client = node.imap(login)
    _, data = client.select("INBOX")
    client.logout()
    return int(data[0] or b"0")


def rehearsed(node: Node, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = node.json("policy", "rehearse", *words)
    return found


def fates(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return sorted((row["subject"], row["recipient"], row["then"]) for row in found["differences"])


def script(node: Node, text: str, name: str = "proposed.sieve") -> str:
    path = node.folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.spec_part("PLN-3")
def test_a_filter_is_rehearsed_on_what_a_user_has_and_nothing_happens(node: Node) -> None:
    before = count(node, JANE)
    refusing = script(node, 'require "reject"; if header :contains "subject" "offer" { reject "No offers"; }')
    found = rehearsed(node, f"filter:{JANE}={refusing}", "--user", JANE)
    assert (found["messages"], found["recipients"], found["different"], found["skipped"]) == (4, 4, 3, [])
    assert fates(found) == [
        ("offer for both", JANE, "refused: 550 5.7.1 No offers"),
        ("offer one", JANE, "refused: 550 5.7.1 No offers"),
        ("offer two", JANE, "refused: 550 5.7.1 No offers"),
    ]
    assert found["differences"][0]["now"] == f"INBOX of {JANE}"
    assert "user-filters/proposed: jane@example.test: refuses it: No offers (line 1)" in found["differences"][0]["why"]
    assert (count(node, JANE), node.json("queue", "list"), node.json("filter", "list", "--user", JANE)) == (before, [], [])


@pytest.mark.spec_part("PLN-3")
def test_traced_mail_comes_with_its_envelope_and_client(node: Node) -> None:
    found = rehearsed(node, "blocked=lena@elsewhere.test", "junk.blocked=reject")
    assert (found["messages"], found["recipients"], found["different"]) == (4, 5, 5)
    assert {row["then"] for row in found["differences"]} == {
        "refused: 550 5.7.1 The recipient does not want mail from this sender"
    }
    node.add_user("nova@example.test")  # who never had any mail, and so has no mailboxes yet
    one = {"at": 1_790_000_000, "client": "", "sender": "lena@elsewhere.test", "recipients": ["nova@example.test"]}
    path = node.folder / "nova.jsonl"
    path.write_text(json.dumps(one | {"message": MAIL.format(subject="first")}) + "\n")
    (row,) = rehearsed(node, "blocked=lena@elsewhere.test", "--path", str(path))["differences"]
    assert row["then"].startswith("Junk Mail of nova@example.test")
    found = rehearsed(node, f"blocked:{OMAR}=lena@elsewhere.test")
    assert [(recipient, then.partition(" ")[0]) for _, recipient, then in fates(found)] == [(OMAR, "Junk")]


@pytest.mark.spec_part("PLN-3")
def test_recorded_sessions_are_the_same_in_every_run(node: Node) -> None:
    sessions = node.folder / "sessions.jsonl"
    sessions.write_text(node.run("policy", "record").stdout)
    assert [json.loads(line)["client"] for line in sessions.read_text().splitlines()] == ["127.0.0.1"] * 4
    stranger = sessions.read_text().replace('"client": "127.0.0.1"', '"client": "192.0.2.77"')
    sessions.write_text(stranger)
    runs = [rehearsed(node, "junk.mode=exclusive", "--path", str(sessions)) for _ in range(2)]
    for run in runs:
        run.pop("seconds")
    assert runs[0] == runs[1]
    text = node.run("policy", "rehearse", "junk.mode=exclusive", "--path", str(sessions)).stdout
    assert "5 recipients would be treated differently, 0 as now. Nothing was delivered." in text
    assert "then: Junk Mail of jane@example.test" in text


@pytest.mark.spec_part("PLN-3")
def test_dns_answers_recorded_with_a_session_hold(node: Node) -> None:
    session = {
        "at": "2026-11-24T10:00:00+00:00",
        "client": "192.0.2.77",
        "helo": "mx.elsewhere.test",
        "sender": "lena@elsewhere.test",
        "recipients": [JANE],
        "message": MAIL.format(subject="spoofed"),
        "dns": {
            "txt _dmarc.elsewhere.test": ["v=DMARC1; p=reject"],
            "txt elsewhere.test": ["v=spf1 ip4:203.0.113.1 -all"],
        },
    }
    path = node.folder / "spoofed.jsonl"
    path.write_text(json.dumps(session) + "\n")
    found = rehearsed(node, "mailauth.dmarc=reject", "--path", str(path))
    (row,) = found["differences"]
    assert row["then"].startswith("refused: 550 5.7.1 Refused by the policy of elsewhere.test (DMARC)")
    assert row["now"].partition(" with ")[0] in (f"INBOX of {JANE}", f"Junk Mail of {JANE}")
    assert "authenticate/dmarc" in row["why"]


@pytest.mark.spec("PLN-3")
def test_a_thousand_messages_of_an_mbox_take_less_than_a_minute(node: Node, tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box.mbox")
    for number in range(1000):
        body = " ".join(f"word{number * 7 % (place + 3)}" for place in range(400))
        box.add(f"From: a{number}@elsewhere.test\nTo: jane@example.test\nSubject: n{number}\n\n{body}\n")
    box.close()
    before = count(node, JANE)
    change = script(node, 'require ["fileinto", "body"]; if body :contains "word5" { fileinto "Fives"; }', "fives.sieve")
    began_at = time.monotonic()
    found = rehearsed(node, f"filter={change}", "--path", str(tmp_path / "box.mbox"), "--recipient", JANE)
    assert time.monotonic() - began_at < 60
    assert (found["messages"], count(node, JANE)) == (1000, before)
    assert 0 < found["different"] < 1000
    assert {row["then"] for row in found["differences"]} == {f"Fives of {JANE}"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("junk.action=perhaps",), "is not one of"),
        (("no.such=1",), "no setting"),
        (("nonsense",), "is no change"),
        (("filter=/no/such/file",), "cannot be read"),
        (("filter:nobody.test=",), "no domain nobody.test"),
        (("blocked=@@",), "is not an address"),
        (("junk.action=reject", "--path", "/no/such/mail"), "cannot be read"),
        (("junk.action=reject", "--user", "nobody@example.test"), "no user nobody@example.test"),
    ],
)
def test_what_cannot_be_rehearsed_is_said_in_one_line(node: Node, words: tuple[str, ...], why: str) -> None:
    done = node.run("policy", "rehearse", *words, check=False)
    assert done.returncode != 0
    assert why in done.stderr and done.stderr.count("\n") == 1
