"""What desktop programs say when they log in and synchronise, line by line, against a running node.

Thunderbird's, Apple Mail's and Outlook's sequences are written by hand after their protocol logs; each line must get a good
answer, and those that the program's display depends on the right one.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator

import pytest

from support.clients import Answer, ImapWire
from support.node import PASSWORD, Node, running, until

_numbers = itertools.count(1)
HTML = (
    "From: Lena Lenz <lena@elsewhere.test>\r\nTo: {user}\r\nSubject: =?UTF-8?Q?Pl=C3=A4ne?= {number}\r\n"
    "Date: Mon, 23 Nov 2026 10:0{number}:00 +0100\r\nMessage-ID: <plan{number}@elsewhere.test>\r\nReferences: <r1@x> <r2@x>\r\n"
    'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="bb"\r\n\r\n--bb\r\n'
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n--bb\r\n"
    "Content-Type: text/html; charset=utf-8\r\n\r\n<b>Hello</b>\r\n--bb--\r\n"
)
REPLY = (
    b"From: jane@example.test\r\nTo: lena@elsewhere.test\r\nSubject: Re: plans\r\nMessage-ID: <re@example.test>\r\n\r\nYes.\r\n"
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("desktop"), services=("smtp", "imap", "imaps")) as started:
        yield started


@pytest.fixture
def user(node: Node) -> str:
    """A user of the test's own, with five messages."""
    address = f"user{next(_numbers)}@example.test"
    node.add_user(address)
    for number in range(1, 6):
        node.send(address, HTML.format(user=address, number=number))
    return address


def authenticate(wire: ImapWire, user: str) -> Answer:
    """AUTHENTICATE PLAIN without an initial response."""
    tag = wire.begin("AUTHENTICATE PLAIN")
    assert wire.line() == b"+ "
    wire.send(base64.b64encode(f"\0{user}\0{PASSWORD}".encode()))
    wire.send(b"\r\n")
    answer = wire.finish(tag)
    assert answer.end.startswith("OK"), answer.end
    return answer


def code(answer: Answer, word: str) -> int:
    """The number of an untagged response code, ``[UIDVALIDITY 17]``."""
    found = re.search(rb"\[%s (\d+)\]" % word.encode(), b"\n".join(answer.lines))
    assert found, answer.lines
    return int(found[1])


def idle_until_new_mail(node: Node, wire: ImapWire, user: str, number: int) -> None:
    tag = wire.begin("IDLE")
    assert wire.line().startswith(b"+ ")
    node.send(user, HTML.format(user=user, number=number))
    assert wire.line() == b"* %d EXISTS" % number
    wire.send("DONE")
    assert wire.finish(tag).end.startswith("OK")


@pytest.mark.spec_part("IMP-1")
def test_thunderbird_logs_in_and_synchronises(node: Node, user: str) -> None:
    with ImapWire(node.ports["imap"]) as wire:
        assert b"AUTH=PLAIN" in wire.good("CAPABILITY").lines[0]
        wire.starttls()
        assert b"STARTTLS" not in wire.good("CAPABILITY").lines[0]
        authenticate(wire, user)
        offered = wire.good("CAPABILITY").lines[0].decode().split()
        assert {"ID", "NAMESPACE", "ENABLE", "CONDSTORE", "LIST-EXTENDED", "SPECIAL-USE", "COMPRESS=DEFLATE"} <= set(offered)
        assert wire.good('ID ("name" "Thunderbird" "version" "128.5.0")').of("ID")
        assert wire.good("NAMESPACE").lines == [b'* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))']
        wire.good("ENABLE UTF8=ACCEPT")
        wire.good("COMPRESS DEFLATE")
        wire.compress()

        for name in ("INBOX", "Sent", "Trash"):
            wire.good(f'SUBSCRIBE "{name}"')
        listed = wire.good('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)').of("LIST")
        assert sum(rb"\Subscribed" in line for line in listed) == len(listed) == 6
        assert any(line.endswith(b'"/" INBOX') for line in listed)
        assert len(wire.good('LSUB "" "*"').of("LSUB")) == 6
        assert len(wire.good('LIST "" "%"').of("LIST")) == 6
        special = wire.good('LIST (SPECIAL-USE) "" "*"').of("LIST")
        for use in (rb"\Sent", rb"\Drafts", rb"\Trash", rb"\Junk", rb"\Archive"):
            assert sum(use in line for line in special) == 1
        for name in ("INBOX", "Sent", "Drafts", "Trash", "Junk Mail", "Archive"):
            assert len(wire.good(f'STATUS "{name}" (UIDNEXT MESSAGES UNSEEN RECENT)').of("STATUS")) == 1

        selected = wire.good('SELECT "INBOX" (CONDSTORE)')
        assert b"* 5 EXISTS" in selected.lines
        assert selected.end.startswith("OK [READ-WRITE]")
        assert code(selected, "UIDVALIDITY") > 0
        mod_seq = code(selected, "HIGHESTMODSEQ")
        flags = wire.good("UID FETCH 1:* (FLAGS)").of("FETCH")
        assert [re.search(rb"UID (\d+)", line)[1] for line in flags] == [b"1", b"2", b"3", b"4", b"5"]  # type: ignore[index]
        headers = wire.good(
            "UID FETCH 1:5 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority "
            "X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"
        ).of("FETCH")
        assert len(headers) == 5
        assert b"Subject: =?UTF-8?Q?Pl=C3=A4ne?= 3\r\n" in headers[2]
        assert b"References: <r1@x> <r2@x>\r\n" in headers[2]
        (whole,) = wire.good("UID FETCH 3 (UID RFC822.SIZE BODY.PEEK[])").of("FETCH")
        assert whole.endswith(b"--bb--\r\n)")
        assert not wire.good("UID FETCH 3 (FLAGS)").of("FETCH")[0].count(rb"\Seen")
        (stored,) = wire.good(r"UID STORE 3 +FLAGS (\Seen)").of("FETCH")
        assert rb"\Seen" in stored
        assert b"MODSEQ" in stored
        assert len(wire.good(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {mod_seq})").of("FETCH")) == 1
        wire.good("NOOP")
        idle_until_new_mail(node, wire, user, 6)

        assert "COPYUID" in wire.good('UID COPY 1:2 "Trash"').end
        wire.good(r"UID STORE 1:2 +FLAGS (\Deleted \Seen)")
        assert len(wire.good("EXPUNGE").of("EXPUNGE")) == 2
        assert wire.good("UID SEARCH ALL").lines == [b"* SEARCH 3 4 5 6"]
        assert "COPYUID" in b"".join(wire.good('UID MOVE 4 "Archive"').lines).decode()
        wire.send(f'zz1 APPEND "Sent" (\\Seen) {{{len(REPLY)}+}}\r\n'.encode() + REPLY + b"\r\n")
        assert "APPENDUID" in wire.finish("zz1").end
        assert wire.good('STATUS "Sent" (MESSAGES UNSEEN)').of("STATUS") == [b"STATUS Sent (MESSAGES 1 UNSEEN 0)"]
        wire.good('SELECT "Trash" (CONDSTORE)')
        assert len(wire.good("UID FETCH 1:* (FLAGS)").of("FETCH")) == 2
        assert wire.good('UID SEARCH UNDELETED HEADER Message-ID "plan1@elsewhere.test"').lines[-1].endswith(b"1")
        wire.good("CLOSE")
        assert any(line.startswith(b"* BYE") for line in wire.good("LOGOUT").lines)
        assert wire.ends()


@pytest.mark.spec_part("IMP-1")
def test_apple_mail_logs_in_and_resynchronises(node: Node, user: str) -> None:
    with ImapWire(node.ports["imaps"], tls=True) as wire:
        wire.good("CAPABILITY")
        authenticate(wire, user)
        wire.good("CAPABILITY")
        wire.good(
            'ID ("name" "Mac OS X Mail" "version" "16.0 (3731)" "os" "Mac OS X" "os-version" "13.6" "vendor" "Apple Inc.")'
        )
        assert wire.good("ENABLE CONDSTORE QRESYNC").of("ENABLED")
        assert len(wire.good('LIST "" "*"').of("LIST")) == 6
        (status,) = wire.good("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)").of("STATUS")
        assert b"MESSAGES 5" in status
        selected = wire.good("SELECT INBOX")
        validity, mod_seq = code(selected, "UIDVALIDITY"), code(selected, "HIGHESTMODSEQ")
        assert len(wire.good("FETCH 1:5 (FLAGS UID MODSEQ)").of("FETCH")) == 5
        fields = (
            "date subject from to cc message-id in-reply-to references content-type x-priority x-uniform-type-identifier "
            "x-universally-unique-identifier list-id list-unsubscribe authentication-results dkim-signature"
        )
        headers = wire.good(
            f"UID FETCH 1:5 (INTERNALDATE UID RFC822.SIZE FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS ({fields})])"
        ).of("FETCH")
        assert len(headers) == 5
        (structure,) = wire.good("UID FETCH 5 (BODYSTRUCTURE)").of("FETCH")
        assert b'"ALTERNATIVE"' in structure.upper()
        parts = wire.good("UID FETCH 5 (BODY.PEEK[HEADER] BODY.PEEK[1.MIME] BODY.PEEK[1]<0.10240> BODY.PEEK[2])").of("FETCH")
        assert b"Gr=C3=BC=C3=9Fe" in parts[0]
        assert b"<b>Hello</b>" in parts[0]
        wire.good(r"UID STORE 5 +FLAGS.SILENT (\Seen $NotJunk)")
        idle_until_new_mail(node, wire, user, 6)
        assert len(wire.good("UID FETCH 6:* (FLAGS UID)").of("FETCH")) == 1
        wire.good("UNSELECT")
        with node.imap(user) as elsewhere:
            elsewhere.select()
            elsewhere.uid("STORE", "2", "+FLAGS", r"(\Flagged)")
            elsewhere.uid("MOVE", "4", "Archive")
        back = wire.good(f"SELECT INBOX (QRESYNC ({validity} {mod_seq} 1:6))")
        assert b"* VANISHED (EARLIER) 4" in back.lines
        changed = {re.search(rb"UID (\d+)", line)[1] for line in back.of("FETCH")}  # type: ignore[index]
        assert {b"2", b"5", b"6"} <= changed
        assert b"1" not in changed
        wire.good('CREATE "Notes"')
        wire.good("LOGOUT")


@pytest.mark.spec_part("IMP-1")
def test_outlook_logs_in_and_synchronises(node: Node, user: str) -> None:
    with ImapWire(node.ports["imaps"], tls=True) as wire:
        wire.good("CAPABILITY")
        wire.login(user)
        wire.good('ID ("name" "Microsoft Outlook" "version" "16.0.17928" "os" "Windows")')
        wire.good('LIST "" ""')
        assert len(wire.good('LIST "" "*"').of("LIST")) == 6
        wire.good('LSUB "" "*"')
        wire.good('LIST "" "INBOX"')
        for name in ("Sent", "Drafts", "Trash", "Junk Mail"):
            wire.good(f'SUBSCRIBE "{name}"')
        selected = wire.good('SELECT "INBOX"')
        assert b"* 5 EXISTS" in selected.lines
        assert len(wire.good("UID FETCH 1:* (UID FLAGS)").of("FETCH")) == 5
        found = wire.good("UID FETCH 1,2,3,4,5 (UID FLAGS INTERNALDATE RFC822.SIZE RFC822.HEADER)").of("FETCH")
        assert len(found) == 5
        assert not any(rb"\Seen" in line for line in found)
        wire.good("UID FETCH 2 (BODY.PEEK[] UID)")
        wire.good(r"UID STORE 2 +FLAGS.SILENT (\Seen)")
        wire.good("CHECK")
        idle_until_new_mail(node, wire, user, 6)
        wire.good('UID COPY 2 "Trash"')
        wire.good(r"UID STORE 2 +FLAGS.SILENT (\Deleted)")
        assert wire.good("EXPUNGE").of("EXPUNGE") == [b"2 EXPUNGE"]
        wire.good(f'APPEND "Sent" (\\Seen) "24-Nov-2026 09:00:00 +0100" {{{len(REPLY)}}}', REPLY)
        wire.good('SELECT "Sent"')
        (kept,) = wire.good("UID FETCH 1:* (UID FLAGS INTERNALDATE)").of("FETCH")
        assert b'INTERNALDATE "24-Nov-2026 0' in kept
        assert any(line.startswith(b"* BYE") for line in wire.good("LOGOUT").lines)


def test_ten_connections_of_one_program_at_once(node: Node, user: str) -> None:
    """Programs open several connections to one account, one for each mailbox that they watch."""
    wires = [ImapWire(node.ports["imap"]) for _ in range(10)]
    try:
        tags = []
        for wire in wires:
            wire.login(user)
            wire.good("SELECT INBOX")
            tags.append(wire.begin("IDLE"))
            assert wire.line().startswith(b"+ ")
        node.send(user, HTML.format(user=user, number=6))
        for wire, tag in zip(wires, tags, strict=True):
            assert wire.line() == b"* 6 EXISTS"
            wire.send("DONE")
            assert wire.finish(tag).end.startswith("OK")
    finally:
        for wire in wires:
            wire.close()
    until(lambda: node.imap(user).logout()[0] == "BYE")
