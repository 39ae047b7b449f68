"""As whom accounts may send, on a real node (OUT-3, OUT-4)."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from support.node import PASSWORD, Node, running, until

JANE, OMAR, OWN_ALIAS, LIST = "jane@example.test", "omar@example.org", "office@example.test", "all@example.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("senders"), workers=1, services=("submission", "imap")) as started:
        started.run("alias", "add", OWN_ALIAS, JANE)
        started.run("alias", "add", LIST, JANE, OMAR)
        yield started


def code(node: Node, sender: str, author: str) -> int:
    """The answer to a message that Jane submits."""
    with node.smtp("submission") as client:
        client.login(JANE, PASSWORD)
        try:
            client.sendmail(sender, [OMAR], f"From: {author}\r\nSubject: {sender} {author}\r\n\r\nHi.\r\n")
        except smtplib.SMTPSenderRefused as error:
            return error.smtp_code
        except smtplib.SMTPDataError as error:
            return error.smtp_code
    return 250


def kept(node: Node, subject: str) -> list[str]:
    """Return-Path and From of Omar's copy."""
    client = node.imap(OMAR)
    client.select("INBOX")
    (number,) = client.search(None, "HEADER", "Subject", f'"{subject}"')[1][0].split()
    (part, _) = client.fetch(number, "(BODY.PEEK[HEADER.FIELDS (RETURN-PATH FROM)])")[1]
    client.logout()
    assert isinstance(part, tuple)
    return [line for line in part[1].decode().split("\r\n") if line]


@pytest.mark.spec("OUT-3", "INB-6")
def test_envelope_and_from_become_the_accounts_or_must_be_among_its_addresses(node: Node) -> None:
    boss = "boss@bank.test"
    assert code(node, boss, f"Boss <{boss}>") == 250
    assert kept(node, f"{boss} Boss <{boss}>") == [f"Return-Path: <{JANE}>", f"From: Boss <{JANE}>"]
    assert code(node, OWN_ALIAS, OWN_ALIAS) == 250
    assert kept(node, f"{OWN_ALIAS} {OWN_ALIAS}") == [f"Return-Path: <{OWN_ALIAS}>", f"From: {OWN_ALIAS}"]
    node.run("submission", "set", "sender", "refuse")
    until(lambda: code(node, boss, JANE) == 550)
    for sender, author in ((JANE, boss), (JANE, f"{JANE}, {boss}"), (JANE, f"{boss}, x:;"), (OMAR, JANE), (LIST, LIST)):
        assert code(node, sender, author) == 550, (sender, author)
    for sender, author in ((JANE, JANE), (OWN_ALIAS, JANE), ("jane+news@example.test", "jane+news@example.test")):
        assert code(node, sender, author) == 250, (sender, author)


def test_who_owns_a_list_sends_as_it_and_nobody_else_does(node: Node) -> None:
    node.run("submission", "set", "sender", "refuse")
    until(lambda: code(node, "boss@bank.test", JANE) == 550)
    assert code(node, LIST, LIST) == 550
    node.run("alias", "own", LIST, OMAR)
    assert code(node, LIST, LIST) == 550
    node.run("alias", "own", LIST, JANE)
    until(lambda: code(node, LIST, f"Everybody <{LIST}>") == 250)
    until(lambda: "a list that it owns" in str(node.json("mail", "trace", "--sender", LIST)))
    node.run("alias", "disown", LIST, JANE)
    until(lambda: code(node, LIST, LIST) == 550)


@pytest.mark.spec("OUT-4")
def test_a_sender_must_be_deliverable_here_where_that_is_set(node: Node) -> None:
    node.run("submission", "set", "sender", "any")
    nobody = "nobody@example.test"
    until(lambda: code(node, nobody, JANE) == 250)
    node.run("submission", "set", "sender_must_exist", "on")
    until(lambda: code(node, nobody, JANE) == 550)
    assert code(node, "ann@elsewhere.test", JANE) == 550
    assert code(node, LIST, JANE) == code(node, JANE, JANE) == 250
