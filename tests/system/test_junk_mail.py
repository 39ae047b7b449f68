"""Spam on a real node: each action, training by moving mail, the Junk Mail Filter, bulk mail (CON-8 to CON-13)."""

from __future__ import annotations

import email
import json
import random
import smtplib
import socket
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from support.node import Node, running, until

pytestmark = pytest.mark.timeout(180)

JANE = "jane@example.test"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
HEAD = "From: {author}\r\nTo: jane@example.test\r\nSubject: {subject}\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n"
HEAD += "Message-ID: <{number}@elsewhere.test>\r\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """What has ``cheap`` in its subject gets 100 points by a filter of the system."""
    with running(tmp_path_factory.mktemp("junk"), workers=2) as made:
        made.run("filter", "add", "cheap", "--system", "--when", "subject contains cheap", "--do", "change_score 100")
        yield made


def do(node: Node, *lines: str) -> None:
    """Several operations in one go."""
    node.run("shell", stdin="\n".join(lines) + "\n")


NUMBERS = iter(range(1, 10_000))


def message(subject: str = "cheap offer", author: str = "lena@elsewhere.test", *, more: str = "", body: str = "Hi.") -> str:
    return HEAD.format(author=author, subject=subject, number=next(NUMBERS)) + more + "\r\n" + body + "\r\n"


def send(node: Node, *recipients: str, text: str = "", sender: str = "lena@elsewhere.test") -> None:
    with node.smtp() as client:
        client.sendmail(sender, list(recipients) or [JANE], (text or message()).encode())


def take(node: Node, mailbox: str, user: str = JANE) -> list[Message]:
    """What is in a mailbox; it is empty afterwards."""
    client = node.imap(user)
    client.select(f'"{mailbox}"')
    _, found = client.search(None, "ALL")
    out = []
    for number in found[0].split():
        _, data = client.fetch(number, "(BODY.PEEK[])")
        assert isinstance(data[0], tuple)
        out.append(email.message_from_bytes(data[0][1]))
        client.store(number, "+FLAGS.SILENT", "\\Deleted")
    client.expunge()
    client.logout()
    return out


def arrived(node: Node, mailbox: str, user: str = JANE) -> Message:
    """The one message that came there, and nowhere else."""
    [found] = until(lambda: take(node, mailbox, user))
    for other in {"INBOX", "Junk Mail"} - {mailbox}:
        assert take(node, other, user) == []
    return found  # type: ignore[no-any-return]


@pytest.mark.spec_part("CON-8", "CON-11")
def test_spam_goes_into_junk_mail_and_says_why(node: Node) -> None:
    send(node)
    found = arrived(node, "Junk Mail")
    status = " ".join(str(found["X-Spam-Status"]).split())
    assert status.startswith("Yes, score=1")
    assert "PRIORITY_FILTERS_" in status
    assert str(found["X-Junkmail-Status"]).endswith("/50, host=mx.example.test")
    assert found["X-Spam-Flag"] == "YES"
    [record] = node.json("mail", "trace", str(found["Message-ID"]))[:1]
    assert record


def test_wanted_mail_goes_into_the_inbox_marked_as_such(node: Node) -> None:
    send(node, text=message("Minutes"))
    found = arrived(node, "INBOX")
    assert str(found["X-Spam-Status"]).startswith("No, score=")
    assert found["X-Spam-Flag"] is None


@pytest.mark.spec_part("CON-8")
def test_forged_scores_of_strangers_are_gone(node: Node) -> None:
    forged = "X-Spam-Status: No, score=-50\r\nX-Junkmail-Status: score=0/50, host=mx.example.test\r\nX-Spam-Flag: NO\r\n"
    send(node, text=message(more=forged))
    found = arrived(node, "Junk Mail")
    assert len(found.get_all("X-Spam-Status", [])) == len(found.get_all("X-Junkmail-Status", [])) == 1
    assert found.get_all("X-Spam-Flag") == ["YES"]


@pytest.mark.spec("CON-11")
def test_each_action_by_domain_by_class_and_by_site(node: Node) -> None:
    node.run("junk", "set", "--domain", "example.test", "--action", "tag")
    send(node)
    assert arrived(node, "INBOX")["Subject"] == "Spam? cheap offer"
    do(node, "cos add special", f"user set {JANE} --cos special", "junk set --cos special --action move")
    send(node)
    assert arrived(node, "Junk Mail")["Subject"] == "cheap offer"
    node.run("junk", "set", "--cos", "special", "--reject-points", "90")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(node)
    assert refused.value.smtp_code == 550
    assert "5.7.1" in str(refused.value.smtp_error)
    node.run("junk", "set", "--cos", "special", "--action", "quarantine", "--reject-points", "inherit")
    send(node)
    held = until(lambda: node.json("quarantine", "list"))
    assert held[0]["kind"] == "junk"
    assert take(node, "INBOX") == take(node, "Junk Mail") == []
    do(node, f'user set {JANE} --cos ""', "junk set --domain example.test --action inherit", "setting set junk.action deliver")
    send(node)
    assert arrived(node, "INBOX")["Subject"] == "cheap offer"
    node.run("setting", "set", "junk.action", "move")


def test_pop_users_see_a_tag(node: Node) -> None:
    node.run("junk", "set", "--user", JANE, "--action", "tag")
    send(node)
    until(lambda: node.pop(JANE).stat()[0] == 1)
    client = node.pop(JANE)
    lines = client.retr(1)[1]
    client.dele(1)
    client.quit()
    assert b"Subject: Spam? cheap offer" in lines
    node.run("junk", "set", "--user", JANE, "--action", "inherit")


def test_the_gtube_text_is_spam(node: Node) -> None:
    send(node, text=message("Minutes", body=GTUBE))
    assert arrived(node, "Junk Mail")["X-Spam-Flag"] == "YES"


# --- training

SPAMMY = ["casino", "jackpot", "winner", "lottery", "pills", "watches", "replica", "discount", "unlimited", "bonus"]
HAMMY = ["meeting", "minutes", "budget", "review", "garden", "school", "holiday", "invoice", "report", "kitchen"]


def letter(words: list[str], number: int) -> str:
    chosen = random.Random(number)
    body = " ".join(chosen.choice(words) + chosen.choice(["", "s", "ing"]) for _ in range(60))
    return message(" ".join(chosen.choice(words) for _ in range(3)), f"a{number}@elsewhere.test", body=body)


def learnt(node: Node) -> str:
    rows: list[dict[str, Any]] = node.json("antispam", "status")
    return str(next(row["known"] for row in rows if row["engine"] == "embedded"))


@pytest.mark.spec("CON-13")
def test_what_users_move_into_junk_mail_teaches_them_and_the_site(tmp_path: Path) -> None:
    with running(tmp_path / "node", workers=2) as node:
        do(node, "scorer set enough_spam 8", "scorer set enough_ham 8", "scorer set fit_after_s 1")
        client = node.imap(JANE)
        for number in range(10):
            client.append("INBOX", "", "", letter(SPAMMY, number).encode())
            client.append("INBOX", "", "", letter(HAMMY, number).encode())
        client.select("INBOX")
        client.uid("MOVE", "1,3,5,7,9,11,13,15,17,19", '"Junk Mail"')
        client.uid("STORE", "2,4,6,8,10,12,14,16,18,20", "+FLAGS", "($NotJunk)")
        until(lambda: learnt(node).startswith("10 spam and 10 ham"), 30)

        def says(words: list[str]) -> dict[str, float]:
            done = node.run("antispam", "test", "--recipient", JANE, letter(words, 99), "--json")
            return {row["rule"]: row["points"] for row in json.loads(done.stdout)}

        until(lambda: "LEARNT_SITE" in says(SPAMMY), 40, 1.0)
        assert says(SPAMMY)["LEARNT_SITE"] > 50 > says(HAMMY)["LEARNT_SITE"]
        send(node, text=letter(SPAMMY, 1234))
        client.select('"Junk Mail"')
        until(lambda: client.search(None, "ALL")[1][0].split()[-1:] == [b"11"])
        client.uid("COPY", "1", "INBOX")
        until(lambda: learnt(node).startswith("9 spam and 11 ham"), 30)
        client.logout()
        take(node, "INBOX")
        take(node, "Junk Mail")
        for mode, words, place in (("off", SPAMMY, "INBOX"), ("exclusive", HAMMY, "Junk Mail"), ("normal", HAMMY, "INBOX")):
            node.run("junk", "filter", JANE, mode)
            send(node, text=letter(words, 4711))
            assert arrived(node, place)
        do(node, f"junk filter {JANE} exclusive", f"sender allow elsewhere.test --user {JANE}")
        send(node, text=letter(SPAMMY, 4712))
        assert arrived(node, "INBOX")


@pytest.mark.spec_part("CON-13")
def test_operations_teach_from_mailboxes_mbox_and_maildir(node: Node, tmp_path: Path) -> None:
    node.run("setting", "set", "scorer.enough_spam", "10000")
    (tmp_path / "mbox").write_text("".join(f"From x Tue Nov 24 08:00:00 2026\n{_lf(letter(SPAMMY, n))}\n" for n in range(5)))
    for name in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    for number in range(4):
        (tmp_path / "Maildir" / "new" / f"{number}.host").write_text(_lf(letter(HAMMY, number)))
    client = node.imap(JANE)
    client.create("Teach")
    for number in range(3):
        client.append("Teach", "", "", letter(HAMMY, 50 + number).encode())
    client.logout()
    assert node.json("antispam", "train", "spam", "--file", str(tmp_path / "mbox")) == {"messages": 5, "learnt": 5}
    assert node.json("antispam", "train", "ham", "--file", str(tmp_path / "Maildir")) == {"messages": 4, "learnt": 4}
    assert node.json("antispam", "train", "ham", "--user", JANE, "--mailbox", "Teach") == {"messages": 3, "learnt": 3}
    assert node.json("antispam", "train", "ham", "--user", JANE, "--mailbox", "Teach") == {"messages": 3, "learnt": 0}
    assert learnt(node).startswith("5 spam and 7 ham")
    assert node.run("antispam", "train", "spam", "--file", "/no/such", check=False).returncode != 0


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n")


# --- bulk


@pytest.mark.spec_part("CON-9")
def test_bulk_mail_is_seen_by_all_workers_from_whoever_it_comes(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as node:
        do(
            node, "antispam set engines bulk", "antispam set bulk_recipients 10", "smtp set proxy_networks 127.0.0.0/8",
            "mailauth set verify off", "smtp set sender_check off", "smtp set tarpit_s 0",
        )  # fmt: skip
        words = random.Random(1)
        body = " ".join(words.choice(SPAMMY + HAMMY) + words.choice("abcdefgh") for _ in range(150))
        for number in range(24):
            proxied(node, f"198.51.{number}.7", message("Offer", body=f"{body} Dear friend {number}"))
        do(node, 'smtp set proxy_networks ""')
        last = take(node, "INBOX") + take(node, "Junk Mail")
        told = [str(each["X-Spam-Status"]) for each in last]
        assert sum("BULK_TEXT=" in text for text in told) >= 5
        assert "tests=none" in told[0]


def proxied(node: Node, client: str, text: str) -> None:
    with socket.create_connection(("127.0.0.1", node.ports["smtp"]), 30) as sock:
        sock.sendall(f"PROXY TCP4 {client} 127.0.0.1 40000 25\r\n".encode())
        stream = sock.makefile("rb")
        assert stream.readline().startswith(b"220")
        for line in ("HELO x.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{JANE}>", "DATA", text + "\r\n.", "QUIT"):
            sock.sendall(line.encode() + b"\r\n")
            assert stream.readline()[:1] in b"23", line
