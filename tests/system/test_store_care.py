"""The operations that look after the store, on a real node that serves meanwhile (STO-7; encryption at rest is not there)."""

from __future__ import annotations

import imaplib
import random
import smtplib
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from support.node import Node, running, until
from support.stored_mail import mail

JANE, OMAR = "jane@example.test", "omar@example.org"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path) as started:
        yield started


def database(node: Node) -> apsw.Connection:
    connection = apsw.Connection(str(node.folder / "data" / "mail.db"))
    connection.set_busy_timeout(5000)
    return connection


def deliver(node: Node, *contents: bytes, to: tuple[str, ...] = (JANE,)) -> None:
    with smtplib.SMTP("127.0.0.1", node.ports["smtp"], timeout=30) as client:
        for content in contents:
            client.sendmail("ann@a.example", list(to), content)


def text(client: imaplib.IMAP4, uid: str) -> bytes:
    """A message without the headers that the node put before it; b"" when it cannot be read."""
    status, found = client.uid("FETCH", uid, "(BODY.PEEK[])")
    whole = next((part[1] for part in found if isinstance(part, tuple)), b"") if status == "OK" else b""
    return whole[whole.find(b"Return-Path: <", 20) :] if whole else b""


@pytest.mark.spec_part("STO-7")
def test_mail_is_stored_once_for_many_and_compressed_large_or_small(node: Node) -> None:
    small, large = mail(1, seed=1)[0], b"".join([mail(1, seed=2)[0], *(b"%d lines\r\n" % n for n in range(40_000))])
    deliver(node, small, large, to=(JANE, OMAR))
    connection = database(node)
    sql = "SELECT coding, length(octets) < 0.8 * size_bytes FROM body JOIN content USING (body_id)"
    assert connection.execute(sql).fetchall() == [(1, 1)]
    ((sharing,),) = connection.execute("SELECT count(*) FROM message").fetchall()
    assert sharing == 4
    connection.close()
    (file,) = (path for path in (node.folder / "data" / "blobs").rglob("*") if path.is_file())
    assert file.suffix == ".zst" and file.stat().st_size < 0.4 * len(large)
    for login in (JANE, OMAR):
        client = node.imap(login)
        client.select()
        assert [text(client, "1").endswith(small[-500:]), text(client, "2").endswith(large[-5000:])] == [True, True]
        _, part = client.uid("FETCH", "2", "(BODY.PEEK[]<5000.100>)")
        _, whole = client.uid("FETCH", "2", "(BODY.PEEK[])")
        assert part[0][1] == whole[0][1][5000:5100]
        client.logout()
    assert "store is sound" in node.run("store", "check").stdout


def test_a_damaged_message_is_found_contained_and_replaced_while_others_are_read(node: Node) -> None:
    letters = mail(20, seed=3)
    deliver(node, *letters)
    client = node.imap(JANE)
    client.select()
    connection = database(node)
    connection.execute("UPDATE content SET octets = ? WHERE body_id = 5", (random.Random(1).randbytes(700),))
    connection.close()
    found = node.run("store", "scrub", check=False)
    assert found.returncode == 1 and "body 5" in found.stdout
    assert node.json("store", "status")["damaged"] == 1
    assert text(client, "5") == b"" and text(client, "6").endswith(letters[5][-300:])
    done = node.run("store", "repair").stdout
    assert "message 5 cannot be read" in done
    client.noop()
    _, uids = client.uid("SEARCH", "HEADER", "Subject", '"[Damaged message]"')
    assert uids == [b"21"]
    assert b"SHA-256" in client.uid("FETCH", "21", "(BODY.PEEK[])")[1][0][1]
    client.logout()
    assert "store is sound" in node.run("store", "check").stdout
    assert "all messages are whole" in node.run("store", "scrub").stdout


def test_room_is_given_back_while_the_node_serves(node: Node) -> None:
    node.run("setting", "set", "store.compression", "off")
    node.run("setting", "set", "store.undelete_bytes", "0")
    letters = mail(300, seed=4, size_bytes=30_000)
    deliver(node, *letters)
    before = node.json("store", "status")["database_bytes"]
    client = node.imap(JANE)
    client.select()
    client.store("1:290", "+FLAGS.SILENT", "\\Deleted")
    client.expunge()
    node.run("setting", "set", "store.compression", "on")
    node.run("store", "compact")
    after = node.json("store", "status")
    assert after["database_bytes"] < before - (5 << 20)
    assert text(client, "291:300").endswith(letters[290][-300:])
    client.logout()
    assert "store is sound" in node.run("store", "check").stdout


def test_a_client_that_was_away_longer_than_is_remembered_learns_of_everything_that_is_gone(node: Node) -> None:
    deliver(node, *mail(12, seed=5))
    client = node.imap(JANE)
    client.select()
    validity = client.response("UIDVALIDITY")[1][0]
    client.uid("STORE", "2:4,9", "+FLAGS.SILENT", "\\Deleted")
    client.expunge()
    client.logout()
    connection = database(node)
    connection.execute("UPDATE vanished SET gone_day = gone_day - 200")
    connection.close()
    assert node.stop() == 0
    node.start()
    until(lambda: database(node).execute("SELECT count(*) FROM vanished").fetchall() == [(0,)])
    client = node.imap(JANE)
    client.enable("QRESYNC")
    assert isinstance(validity, bytes)
    status, _ = client._simple_command("SELECT", "INBOX", f"(QRESYNC ({validity.decode()} 3 1:9))")
    assert status == "OK"
    assert client.response("VANISHED")[1] == [b"(EARLIER) 2:4,9"]
    client.state = "SELECTED"
    assert client.uid("SEARCH", "ALL")[1] == [b"1 5 6 7 8 10 11 12"]
    client.logout()
