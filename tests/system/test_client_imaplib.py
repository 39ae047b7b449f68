"""imaplib against a running node: a client's whole life with its mailboxes, and many sessions on one mailbox (IMP-1, IMP-2)."""

from __future__ import annotations

import contextlib
import imaplib
import itertools
import re
import time
from collections.abc import Iterator, Sequence

import pytest

from support.clients import ImapWire, trusting_tls
from support.node import PASSWORD, Node, running

SECOND = 1.0
_numbers = itertools.count(1)
MESSAGE = (
    b"From: Lena <lena@elsewhere.test>\r\nTo: jane@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus Ulm\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <one@elsewhere.test>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    b"Hello needle\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\nJVBERi0xLjQK\r\n--b--\r\n'
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    services = ("smtp", "imap", "imaps")
    with running(tmp_path_factory.mktemp("imaplib"), services=services) as started:
        started.run("setting", "set", "auth.failure_delay_s", "0.1")
        yield started


@pytest.fixture
def user(node: Node) -> str:
    """A user of the test's own."""
    address = f"user{next(_numbers)}@example.test"
    node.add_user(address)
    return address


@pytest.fixture
def client(node: Node, user: str) -> Iterator[imaplib.IMAP4]:
    with node.imap(user) as connected:
        yield connected


def ok(answer: tuple[str, Sequence[object]]) -> list[bytes]:
    """The data of a good answer."""
    assert answer[0] == "OK", answer
    return [line for line in answer[1] if isinstance(line, bytes)]


def append(client: imaplib.IMAP4, mailbox: str = "INBOX", content: bytes = MESSAGE, flags: str = "") -> str:
    """Appends; gives the UID."""
    (text,) = ok(client.append(mailbox, flags, "", content))
    found = re.search(rb"\[APPENDUID \d+ (\d+)\]", text)
    assert found, text
    return found[1].decode()


def fetched(client: imaplib.IMAP4, uid: str, items: str) -> bytes:
    """All octets of the one answer to UID FETCH."""
    _, data = client.uid("FETCH", uid, items)
    pieces = [piece for part in data for piece in (part if isinstance(part, tuple) else (part,))]
    return b"".join(pieces)


def found(client: imaplib.IMAP4, *keys: str) -> list[bytes]:
    return ok(client.uid("SEARCH", *keys))[0].split()


@pytest.mark.spec_part("IMP-1")
def test_every_kind_of_fetch(client: imaplib.IMAP4) -> None:
    uid = append(client, flags=r"(\Flagged $Work)")
    ok(client.select())
    assert fetched(client, uid, "(FLAGS)").count(rb"\Flagged") == 1
    assert b"RFC822.SIZE %d" % len(MESSAGE) in fetched(client, uid, "(RFC822.SIZE INTERNALDATE UID)")
    assert fetched(client, uid, "(RFC822)").count(MESSAGE) == 1
    assert rb"\Seen" in fetched(client, uid, "FLAGS")
    envelope = fetched(client, uid, "ENVELOPE")
    assert b'("Lena" NIL "lena" "elsewhere.test")' in envelope
    assert b'"<one@elsewhere.test>"' in envelope
    structure = fetched(client, uid, "BODYSTRUCTURE")
    assert b'"APPLICATION" "PDF"' in structure.upper()
    assert b'("attachment" ("filename" "a.pdf"))' in structure.lower()
    assert b"Hello needle" in fetched(client, uid, "BODY.PEEK[1]")
    assert b"JVBERi0xLjQK" in fetched(client, uid, "BODY.PEEK[2]")
    assert b"application/pdf" in fetched(client, uid, "BODY.PEEK[2.MIME]")
    assert b"%PDF-1.4\n" in fetched(client, uid, "BINARY.PEEK[2]")
    header = fetched(client, uid, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
    assert b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus Ulm\r\n\r\n" in header
    assert b"Subject" not in fetched(client, uid, "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]")
    assert b"From: Lena <lena" in fetched(client, uid, "BODY.PEEK[]<0.20>")
    assert b"preamble" in fetched(client, uid, "BODY.PEEK[TEXT]")
    for macro in ("ALL", "FAST", "FULL"):
        assert b"INTERNALDATE" in fetched(client, uid, macro)


@pytest.mark.spec_part("IMP-1")
def test_search_finds_by_every_usual_key(client: imaplib.IMAP4) -> None:
    first = append(client, flags=r"(\Flagged)").encode()
    second = append(client, content=b"From: omar@example.org\r\nSubject: plain\r\n\r\nnothing here\r\n").encode()
    ok(client.select())
    for keys in (("SUBJECT", '"aus Ulm"'), ("FROM", '"lena"'), ("BODY", '"needle"'), ("TEXT", '"NEEDLE"'), ("FLAGGED",),
                 ("LARGER", "200"), ("HEADER", "Message-ID", '"one@"'), ("SENTON", "23-Nov-2026"),
                 ("NOT", "SUBJECT", '"plain"'),
                 ("OR", "FLAGGED", "BODY", '"zzz"'), ("UID", first.decode()), ("TO", '"jane"', "UNSEEN")):  # fmt: skip
        assert found(client, *keys) == [first], keys
    assert found(client, "ALL") == [first, second]
    assert found(client, "SINCE", "01-Jan-2020") == [first, second]
    assert found(client, "DELETED") == []
    client.literal = "Grüße".encode()  # type: ignore[assignment]
    assert found(client, "CHARSET", "UTF-8", "SUBJECT") == [first]


@pytest.mark.spec_part("IMP-1")
def test_store_copy_move_and_expunge(client: imaplib.IMAP4) -> None:
    first, second, third = (append(client) for _ in range(3))
    ok(client.create("Work"))
    ok(client.select())
    assert rb"\Seen" in fetched(client, first, "FLAGS") + ok(client.uid("STORE", first, "+FLAGS", r"(\Seen $Done)"))[0]
    assert b"$Done" in fetched(client, first, "FLAGS")
    ok(client.uid("STORE", first, "-FLAGS", "$Done"))
    assert b"$Done" not in fetched(client, first, "FLAGS")
    ok(client.uid("STORE", first, "FLAGS.SILENT", r"(\Answered)"))
    assert rb"\Seen" not in fetched(client, first, "FLAGS")
    ok(client.uid("COPY", f"{first}:{second}", "Work"))
    ok(client.uid("MOVE", third, "Work"))
    assert client.response("EXPUNGE") == ("EXPUNGE", [b"3"])
    assert found(client, "ALL") == [first.encode(), second.encode()]
    ok(client.uid("STORE", second, "+FLAGS", r"(\Deleted)"))
    assert ok(client.expunge()) == [b"2"]
    assert ok(client.select("Work")) == [b"3"]
    assert rb"\Answered" in ok(client.fetch("1", "FLAGS"))[0]
    ok(client.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)"))
    ok(client.uid("EXPUNGE", "2"))
    assert found(client, "ALL") == [b"1", b"3"]
    ok(client.close())
    assert ok(client.status("Work", "(MESSAGES UNSEEN UIDNEXT)")) == [b"Work (MESSAGES 0 UNSEEN 0 UIDNEXT 4)"]


def names(lines: list[bytes]) -> set[str]:
    return {line.decode().rpartition('"/" ')[2].strip('"') for line in lines}


@pytest.mark.spec_part("IMP-1", "STO-1")
def test_a_tree_of_mailboxes_is_made_renamed_subscribed_and_deleted(client: imaplib.IMAP4) -> None:
    usual = {"INBOX", "Sent", "Drafts", "Trash", "Junk Mail", "Archive"}
    assert names(ok(client.list())) == usual
    ok(client.create("Projects/2026/Tower"))
    append(client, "Projects/2026/Tower")
    assert names(ok(client.list('""', "Projects*"))) == {"Projects", "Projects/2026", "Projects/2026/Tower"}
    assert names(ok(client.list('""', "%"))) == usual | {"Projects"}
    assert client.create("projects/2026/tower")[0] == "OK", "names other than INBOX are told apart by case"
    assert client.create("Projects/2026/Tower")[0] == "NO"
    ok(client.rename("Projects/2026", "Past"))
    assert names(ok(client.list("Past", "*"))) == {"Past", "Past/Tower"}
    assert ok(client.select("Past/Tower")) == [b"1"]
    ok(client.subscribe("Past/Tower"))
    assert names(ok(client.lsub('""', "Past*"))) == {"Past/Tower"}
    ok(client.unsubscribe("Past/Tower"))
    assert ok(client.lsub('""', "Past*")) == []
    ok(client.select())
    ok(client.delete("Past/Tower"))
    assert client.select("Past/Tower")[0] == "NO"
    ok(client.create('"Entw&APw-rfe &- Co"'))
    assert "Entw&APw-rfe &- Co" in names(ok(client.list()))
    assert client.create('"half & half"')[0] == "NO", "not modified UTF-7"
    assert client.delete("INBOX")[0] == "NO"


@pytest.mark.spec_part("IMP-1")
def test_namespace_id_and_capabilities(client: imaplib.IMAP4) -> None:
    assert ok(client.namespace()) == [b'(("" "/")) (("Other Users/" "/")) (("Shared/" "/"))']
    imaplib.Commands["ID"] = ("NONAUTH", "AUTH", "SELECTED")
    assert client._simple_command("ID", '("name" "imaplib" "version" "3.11")')[0] == "OK"
    assert b'"posthouse"' in client.response("ID")[1][0].lower()
    *_, words = ok(client.capability())
    offered = set(words.decode().split())
    assert {"IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ENABLE", "ID", "NAMESPACE", "UIDPLUS", "MOVE", "IDLE",
            "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "ESEARCH", "CONDSTORE", "UNSELECT", "CHILDREN",
            "STATUS=SIZE", "COMPRESS=DEFLATE"} <= offered  # fmt: skip
    assert any(word.startswith("APPENDLIMIT=") for word in offered)


@pytest.mark.spec_part("TLS-1", "IMP-1")
def test_tls_from_the_start_and_by_starttls(node: Node, user: str) -> None:
    with imaplib.IMAP4_SSL("127.0.0.1", node.ports["imaps"], ssl_context=trusting_tls(), timeout=30) as client:
        client.login(f'"{user}"', PASSWORD)
        assert ok(client.select()) == [b"0"]
    with node.imap() as client:
        ok(client.starttls(trusting_tls()))
        assert "STARTTLS" not in client.capabilities
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        assert ok(client.select()) == [b"0"]


def test_a_wrong_password_is_refused(node: Node, user: str) -> None:
    with node.imap() as client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(f'"{user}"', "wrong")


def test_three_hundred_messages(client: imaplib.IMAP4) -> None:
    content = b"Subject: one of many\r\n\r\n" + b"x" * 500 + b"\r\n"
    for number in range(300):
        client.append("INBOX", r"(\Seen)" if number % 3 == 0 else "", "", content)
    assert ok(client.select()) == [b"300"]
    assert len(found(client, "UNSEEN")) == 200
    assert len(ok(client.fetch("1:*", "(UID FLAGS)"))) == 300
    assert sum(isinstance(part, tuple) for part in client.fetch("1:*", "(BODY.PEEK[])")[1]) == 300
    ok(client.store("2:299", "+FLAGS.SILENT", r"(\Deleted)"))
    assert len(ok(client.expunge())) == 298
    assert found(client, "ALL") == [b"1", b"300"]


def test_an_append_does_not_wait_for_a_delayed_acknowledgement(client: imaplib.IMAP4) -> None:
    """imaplib writes a literal and the end of its line apart; with Nagle's algorithm at its end and a delayed
    acknowledgement at ours each APPEND would take 40 ms more."""
    taken = []
    for _ in range(40):
        start = time.monotonic()
        append(client)
        taken.append(time.monotonic() - start)
    assert sorted(taken)[len(taken) // 4] < 0.035, taken


@contextlib.contextmanager
def idling(node: Node, user: str) -> Iterator[ImapWire]:
    with ImapWire(node.ports["imap"]) as wire:
        wire.login(user)
        wire.good("SELECT INBOX")
        tag = wire.begin("IDLE")
        assert wire.line().startswith(b"+ ")
        yield wire
        wire.send("DONE")
        wire.finish(tag)


def heard(wire: ImapWire, wanted: bytes) -> float:
    """Reads until a line has this; how many seconds that took."""
    start = time.monotonic()
    while wanted not in wire.line():
        pass
    return time.monotonic() - start


@pytest.mark.spec_part("IMP-1", "IMP-2")
def test_idle_tells_of_new_mail_flags_and_expunges(node: Node, user: str) -> None:
    with node.imap(user) as client, idling(node, user) as wire:
        client.select()
        node.send(user, "Subject: new\r\n\r\nx\r\n")
        assert wire.line() == b"* 1 EXISTS"
        client.store("1", "+FLAGS", r"(\Flagged)")
        assert wire.line() == rb"* 1 FETCH (UID 1 FLAGS (\Flagged))"
        client.store("1", "+FLAGS.SILENT", r"(\Deleted)")
        heard(wire, rb"\Deleted")
        client.expunge()
        assert wire.line() == b"* 1 EXPUNGE"


@pytest.mark.spec("IMP-2")
def test_sessions_on_one_mailbox_see_each_others_changes_at_once(node: Node, user: str) -> None:
    """Eight sessions over both workers; each in turn adds, flags and moves. All others know it at their very next command,
    and four more that idle are told within a second, with nothing asked."""
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(node.imap(user)) for _ in range(8)]
        watchers = [stack.enter_context(idling(node, user)) for _ in range(4)]
        for session in sessions:
            ok(session.select())
        present: list[str] = []
        took_s: list[float] = []
        for turn, actor in enumerate(sessions):
            others = [session for session in sessions if session is not actor]
            present.append(append(actor))
            took_s += [heard(watcher, b"* %d EXISTS" % len(present)) for watcher in watchers]
            for other in others:
                assert found(other, "ALL") == [uid.encode() for uid in present]
            keyword = f"$Turn{turn}"
            ok(actor.uid("STORE", present[-1], "+FLAGS.SILENT", keyword))
            took_s += [heard(watcher, b"* %d FETCH" % len(present)) for watcher in watchers]
            for other in others:
                assert found(other, "KEYWORD", keyword) == [present[-1].encode()]
            if turn % 2:
                ok(actor.uid("MOVE", present.pop(0), "Archive"))
                took_s += [heard(watcher, b"* 1 EXPUNGE") for watcher in watchers]
                for other in others:
                    assert found(other, "ALL") == [uid.encode() for uid in present]
    # A busy machine may stand still for a moment, but not each time.
    assert sorted(took_s)[len(took_s) * 9 // 10] < SECOND, took_s


@pytest.mark.spec_part("IMP-2")
def test_a_deleted_mailbox_ends_the_sessions_that_have_it_selected(node: Node, user: str) -> None:
    with node.imap(user) as client, ImapWire(node.ports["imap"]) as wire:
        ok(client.create("Gone"))
        wire.login(user)
        wire.good("SELECT Gone")
        ok(client.delete("Gone"))
        tag = wire.begin("NOOP")
        assert wire.line().startswith((b"* BYE", b"* OK [CLOSED]", tag.encode()))
