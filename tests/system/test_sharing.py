"""Sharing on a running node, with imaplib: a user's own mailbox, groups, domains, anyone, the shared tree, lists that deliver
into it, rights that end (STO-3; RFC 4314)."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator, Sequence

import pytest

from support.clients import ImapWire
from support.node import Node, running, until

WORK = '"Other Users/jane@example.test/Work"'
MESSAGE = b"From: Lena <lena@elsewhere.test>\r\nSubject: one\r\n\r\nHello\r\n"
JANE, OMAR, MEI = "jane@example.test", "omar@example.org", "mei@example.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("sharing"), services=("smtp", "imap")) as started:
        started.add_user(MEI)
        yield started


@pytest.fixture
def jane(node: Node) -> Iterator[imaplib.IMAP4]:
    """Jane, with a fresh mailbox Work of three messages."""
    with node.imap(JANE) as client:
        client.delete("Work")
        ok(client.create("Work"))
        for _ in range(3):
            ok(client.append("Work", "", "", MESSAGE))
        yield client


@pytest.fixture
def omar(node: Node, jane: imaplib.IMAP4) -> Iterator[imaplib.IMAP4]:
    with node.imap(OMAR) as client:
        yield client


def ok(answer: tuple[str, Sequence[object]]) -> list[bytes]:
    assert answer[0] == "OK", answer
    return [line for line in answer[1] if isinstance(line, bytes)]


def refused(answer: tuple[str, Sequence[object]], code: str) -> None:
    assert answer[0] == "NO", answer
    assert code.encode() in bytes(str(answer[1]), "ascii"), answer


def others(client: imaplib.IMAP4) -> list[str]:
    lines = [line.decode().rpartition('"/" ')[2].strip('"') for line in ok(client.list())]
    return [line for line in lines if line.count("/") and line.startswith(("Other Users", "Shared"))]


@pytest.mark.spec("STO-3")
def test_users_share_groups_domains_and_anyone_and_a_list_delivers_into_the_shared_tree(
    node: Node, jane: imaplib.IMAP4, omar: imaplib.IMAP4
) -> None:
    assert others(omar) == []
    refused(omar.select(WORK), "NONEXISTENT")
    # a user
    ok(jane.setacl("Work", OMAR, "lrs"))
    assert "Other Users/jane@example.test/Work" in others(omar)
    assert ok(omar.select(WORK)) == [b"3"]
    assert "Hello" in str(omar.fetch("2", "(BODY[TEXT])"))
    assert ok(omar.fetch("1:*", "(FLAGS)"))[1] == b"2 (FLAGS (\\Seen))"
    assert ok(omar.status(WORK, "(MESSAGES UNSEEN)")) == [WORK.encode() + b" (MESSAGES 3 UNSEEN 2)"]
    ok(jane.select("Work"))
    assert not any(b"\\Seen" in line for line in ok(jane.fetch("1:*", "(FLAGS)"))), "Omar's seen state is his own"
    refused(omar.store("1", "+FLAGS", "(\\Deleted)"), "NOPERM")
    refused(omar.expunge(), "NOPERM")
    refused(omar.append(WORK, "", "", MESSAGE), "NOPERM")
    refused(omar.setacl(WORK, OMAR, "lrswipkxtea"), "NOPERM")
    assert b"omar@example.org lrs" in ok(jane.getacl("Work"))[0]
    ok(jane.setacl("Work", OMAR, '""'))
    # a group, a domain, anyone
    node.run("alias", "add", "team@example.test", OMAR, "lena@elsewhere.test")
    for identifier in ("$team@example.test", "domain:example.org", "anyone"):
        ok(jane.setacl("Work", identifier, "lr"))
        until(lambda: omar.select(WORK, readonly=True)[0] == "OK")
        ok(jane.deleteacl("Work", identifier))
        refused(omar.select(WORK, readonly=True), "NONEXISTENT")
    # the shared tree, and a list that delivers into it
    node.run("sharedmailbox", "create", "example.test", "archive")
    node.run("share", "add", "example.test/archive", "domain:example.test", "lrs")
    node.run("alias", "add", "list@example.test", JANE, "+archive.list@example.test")
    node.send("list@example.test", "Subject: to the list\r\n\r\nHello all\r\n")
    until(lambda: "Shared/archive/list" in others(jane))
    assert ok(jane.select("Shared/archive/list")) == [b"1"]
    with node.imap(MEI) as mei:
        assert ok(mei.status("Shared/archive/list", "(MESSAGES UNSEEN)")) == [b"Shared/archive/list (MESSAGES 1 UNSEEN 1)"]
    ok(jane.store("1", "+FLAGS", "(\\Seen)"))
    assert ok(jane.status("Shared/archive/list", "(UNSEEN)")) == [b"Shared/archive/list (UNSEEN 0)"]
    refused(omar.select("Shared/@example.test/archive"), "NONEXISTENT")
    with node.smtp() as client:
        client.helo("x")
        client.mail("stranger@elsewhere.test")
        assert client.rcpt("+archive.list@example.test")[0] == 550, "only a list writes there"
    assert node.json("share", "find", MEI) == [
        {"mailbox": "Shared/archive", "rights": "lrs"},
        {"mailbox": "Shared/archive/list", "rights": "lrs"},
    ]
    assert node.json("store", "check")["problems"] == []


@pytest.mark.spec_part("STO-3", "IMP-1")
def test_a_revoked_right_ends_access_at_the_next_command(node: Node, jane: imaplib.IMAP4) -> None:
    ok(jane.setacl("Work", OMAR, "lrs"))
    with ImapWire(node.ports["imap"]) as wire:
        wire.login(OMAR)
        wire.good(f"SELECT {WORK}")
        wire.good("FETCH 1 FLAGS")
        ok(jane.deleteacl("Work", OMAR))
        tag = wire.begin("FETCH 1 FLAGS")
        assert wire.line().startswith(b"* OK [CLOSED]")
        assert wire.line().startswith(f"{tag} NO [NONEXISTENT]".encode())


@pytest.mark.spec_part("STO-3", "IMP-1")
def test_a_group_that_is_left_is_out_soon(node: Node, jane: imaplib.IMAP4, omar: imaplib.IMAP4) -> None:
    node.run("alias", "add", "crew@example.test", OMAR)
    ok(jane.setacl("Work", "$crew@example.test", "lrs"))
    until(lambda: omar.select(WORK)[0] == "OK")
    node.run("alias", "add", "--replace", "crew@example.test", MEI)
    until(lambda: omar.select(WORK)[0] == "NO")


@pytest.mark.spec_part("STO-3", "IMP-2")
def test_sharers_see_each_others_changes_at_once(node: Node, jane: imaplib.IMAP4, omar: imaplib.IMAP4) -> None:
    ok(jane.setacl("Work", OMAR, "lrswite"))
    ok(omar.select(WORK))
    with ImapWire(node.ports["imap"]) as wire:
        wire.login(JANE)
        wire.good("SELECT Work")
        tag = wire.begin("IDLE")
        assert wire.line().startswith(b"+ ")
        ok(omar.append(WORK, "", "", MESSAGE))
        assert wire.line() == b"* 4 EXISTS"
        ok(omar.store("4", "+FLAGS", "(\\Flagged)"))
        assert b"\\Flagged" in wire.line()
        ok(omar.store("1", "+FLAGS.SILENT", "(\\Deleted)"))
        assert b"\\Deleted" in wire.line()
        ok(omar.expunge())
        assert wire.line() == b"* 1 EXPUNGE"
        wire.send("DONE")
        wire.finish(tag)


@pytest.mark.spec_part("STO-3")
def test_sharing_and_seen_state_survive_a_crash(node: Node) -> None:
    with node.imap(JANE) as owner:
        owner.delete("Work")
    jane, omar = node.imap(JANE), node.imap(OMAR)
    jane.create("Work")
    ok(jane.setacl("Work", OMAR, "lrs"))
    for _ in range(3):
        ok(jane.append("Work", "", "", MESSAGE))
    ok(omar.select(WORK))
    ok(omar.store("1:2", "+FLAGS", "(\\Seen)"))
    node.kill()
    jane.shutdown()
    omar.shutdown()
    node.start()
    with node.imap(OMAR) as again:
        (line,) = ok(again.status(WORK, "(MESSAGES UNSEEN)"))
        messages, unseen = map(int, line.translate(None, b"()").split()[-3::2])
        assert messages - unseen == 2
    assert node.json("store", "check")["problems"] == []
