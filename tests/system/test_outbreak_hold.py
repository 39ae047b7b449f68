"""The outbreak check on a real node with a real clamd: held, scanned again after a time, released or kept (CON-7)."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest

from support.archives import zipped
from support.asking import Asking
from support.clamav import Clamd
from support.clients import Proxied
from support.node import Node, running, until

JANE, ADA = "jane@example.test", "ada@example.test"
COPIES = 9  # the first 3 pass, and a few more: what another worker counted is known a moment later


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd") / "clamd") as engine:
        yield engine


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, clamd: Clamd) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("outbreak"), services=("smtp", "imap")) as started:
        lines = {
            "antivirus.engines": clamd.tcp,
            "antivirus.remember_s": "0",
            "outbreak.spread_messages": "4",
            "outbreak.spread_networks": "3",
            "smtp.proxy_networks": "127.0.0.2/32",
            "smtp.tarpit_s": "0",
            "smtp.sender_check": "off",
            "mailauth.verify": "off",
        }
        for key, value in lines.items():
            Asking(started).ask("setting", "set", key, value)
        yield started


def mail(name: str, octets: bytes, subject: str) -> bytes:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "lena@elsewhere.test", JANE, subject
    made.set_content("See the attachment.\r\n")
    made.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return made.as_bytes()


def spread(node: Node, name: str, program: bytes, subject: str, copies: int = COPIES) -> None:
    """The same program, each time packed anew under another name, from another network."""
    for number in range(copies):
        packed = zipped({f"{number}-{name}": program, "filler": bytes([number])})
        with Proxied(node.ports["smtp"], f"198.51.{100 + number}.7") as client:
            client.sendmail("lena@elsewhere.test", [JANE], mail(f"papers{number}.zip", packed, f"{subject} {number}"))


def held(node: Node, kind: str, subject: str) -> list[dict[str, Any]]:
    return [row for row in Asking(node).ask("quarantine", "list", "--kind", kind) if row["subject"].startswith(subject)]


def arrived(node: Node, subject: str) -> int:
    client = node.imap(JANE)
    client.select("INBOX", readonly=True)
    _, found = client.search(None, "SUBJECT", f'"{subject}"')
    client.logout()
    return len(found[0].split())


def program(word: bytes) -> bytes:
    return b"MZ" + word * 200


@pytest.mark.spec("CON-7")
def test_an_outbreak_is_held_goes_through_the_scanners_again_and_on_by_itself(node: Node, clamd: Clamd) -> None:
    Asking(node).ask("setting", "set", "outbreak.hold_s", "8h")
    spread(node, "worm.exe", program(b"wormlike"), "a worm")
    rows = held(node, "outbreak", "a worm")
    assert 2 <= len(rows) <= COPIES - 3
    assert "program" in rows[0]["why"] and "fingerprint" in rows[0]["why"]
    assert arrived(node, "a worm") == COPIES - len(rows)
    clamd.learn(b"wormlike" * 3, "New.Worm")
    Asking(node).ask("quarantine", "release", *(str(row["held_id"]) for row in rows))
    assert len(held(node, "virus", "a worm")) == len(rows)
    assert arrived(node, "a worm") == COPIES - len(rows)
    assert "New.Worm" in held(node, "virus", "a worm")[0]["why"]

    Asking(node).ask("setting", "set", "outbreak.hold_s", "2")
    spread(node, "tool.exe", program(b"harmless"), "a tool")
    until(lambda: arrived(node, "a tool") == COPIES, 40)
    assert not held(node, "outbreak", "a")
    assert "(outbreak spread)" in node.run("mail", "trace", "--recipient", JANE).stdout


@pytest.mark.spec_part("CON-7", "QTN-1")
def test_an_administrator_releases_or_deletes_before_and_allows_for_good(node: Node) -> None:
    Asking(node).ask("setting", "set", "outbreak.hold_s", "8h")
    spread(node, "report.exe", program(b"quarterly"), "a report")
    first, *others = held(node, "outbreak", "a report")
    (done,) = Asking(node).ask("quarantine", "release", str(first["held_id"]))
    assert done["outcome"] == "accepted"
    Asking(node).ask("quarantine", "delete", *(str(each["held_id"]) for each in others))
    assert arrived(node, "a report") == COPIES - len(others)
    assert not held(node, "outbreak", "a report")
    fingerprint = first["why"].split("fingerprint ")[1].split()[0]
    Asking(node).ask("outbreak", "allow", fingerprint)
    spread(node, "report.exe", program(b"quarterly"), "another report")
    assert arrived(node, "another report") == COPIES


@pytest.mark.spec_part("CON-7")
def test_after_a_virus_what_else_its_address_sends_is_held(node: Node, clamd: Clamd) -> None:
    Asking(node).ask("setting", "set", "outbreak.hold_s", "8h")
    clamd.learn(b"known evil", "Known.Evil")
    with Proxied(node.ports["smtp"], "203.0.113.66") as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("lena@elsewhere.test", [JANE], mail("a.exe", program(b"known evil"), "evil"))
    assert refused.value.smtp_code == 554

    def next_is_held() -> bool:
        with Proxied(node.ports["smtp"], "203.0.113.66") as client:
            client.sendmail("lena@elsewhere.test", [JANE], mail("b.exe", program(b"something"), "suspicious"))
        return bool(held(node, "outbreak", "suspicious"))

    until(next_is_held)
    assert "which sent 1 viruses" in held(node, "outbreak", "suspicious")[0]["why"]
    with Proxied(node.ports["smtp"], "203.0.113.67") as client:
        client.sendmail("lena@elsewhere.test", [JANE], mail("b.exe", program(b"something"), "neighbour"))
    assert arrived(node, "neighbour") == 1
