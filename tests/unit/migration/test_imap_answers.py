"""What foreign IMAP servers answer, as imaplib hands it over: common servers' spellings, and strangers' nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.sources import imap_answers as answers
from posthouse.backends.sources.imap_link import ImapLink
from posthouse.base.errors import MailError, Permanent, Temporary
from posthouse.model.migration import Remote


def test_folders_of_several_servers() -> None:
    listed = list(
        answers.folders(
            [
                b'(\\HasNoChildren \\Sent) "/" "Sent Items"',
                b'(\\HasChildren) "." INBOX.Work',
                (b'(\\Marked) "/" {7}', b'we"ird\\'),
                b'(\\Noselect) NIL ""',
                b'() "\\\\" "a\\"b"',
                b"nonsense",
                (b'() "/" {4}', b"a\r\nb"),
                None,
            ]
        )
    )
    assert [(each.name, each.separator, sorted(each.attributes)) for each in listed] == [
        (b"Sent Items", "/", ["\\hasnochildren", "\\sent"]),
        (b"INBOX.Work", ".", ["\\haschildren"]),
        (b'we"ird\\', "/", ["\\marked"]),
        (b'a"b', "\\", []),
    ]
    assert listed[1].levels(b"INBOX.") == ("Work",)
    assert answers.ListedFolder(b"INBOX", ".", frozenset()).levels(b"INBOX.") == ("INBOX",)
    assert answers.ListedFolder(b"Gr&APYA3w-e/&bad", "/", frozenset()).levels(b"") == ("Größe", "&bad")


@pytest.mark.parametrize(
    ("line", "own", "others"),
    [
        (b'(("" "/")) NIL NIL', b"", ()),
        (b'(("INBOX." ".")) NIL (("shared." "."))', b"INBOX.", (b"shared.",)),
        (b'(("" "/")("#mh/" "/")) (("~" "/")) (("#shared/" "/")("#ftp/" "/"))', b"", (b"~", b"#shared/", b"#ftp/")),
        (b'NIL (("Other Users/" "/")) NIL', b"", (b"Other Users/",)),
        (b'(("a)b" "/")) NIL NIL', b"a)b", ()),
    ],
)
def test_namespaces(line: bytes, own: bytes, others: tuple[bytes, ...]) -> None:
    assert answers.namespaces([line]) == (own, others)


def test_fetch_answers_with_items_in_any_order() -> None:
    got = list(
        answers.fetched(
            [
                (b'1 (UID 5 INTERNALDATE "24-Nov-2026 03:59:00 +0000" BODY[] {3}', b"abc"),
                b" FLAGS (\\Seen Work))",
                (b"2 (BODY[] {2}", b"de"),
                b' UID 6 INTERNALDATE " 1-Nov-2026 03:59:00 +0000")',
                b"3 (FLAGS (\\Recent) UID 7 RFC822.SIZE 99)",
                b"4 (FLAGS (\\Seen))",
                None,
            ]
        )
    )
    assert [(each.uid, each.flags, each.content, each.size_bytes) for each in got] == [
        (5, ("\\Seen", "Work"), b"abc", 0),
        (6, (), b"de", 0),
        (7, ("\\Recent",), None, 99),
    ]
    assert [each.date for each in got] == ["24-Nov-2026 03:59:00 +0000", " 1-Nov-2026 03:59:00 +0000", ""]


ANSWER = st.one_of(st.binary(max_size=60), st.tuples(st.binary(max_size=60), st.binary(max_size=20)), st.none())


@settings(max_examples=300, deadline=None)
@given(st.lists(ANSWER, max_size=5))
def test_no_answer_makes_it_fail(data: list[bytes | tuple[bytes, bytes] | None]) -> None:
    for folder in answers.folders(data):
        assert folder.levels(b"INBOX.")
    answers.namespaces(data)
    assert all(each.uid >= 0 for each in answers.fetched(data))


class Server:
    """Says lines to whoever connects, whatever it hears; one line for each line heard."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.heard: list[bytes] = []
        self._lines = list(lines)

    async def __aenter__(self) -> Remote:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return Remote("127.0.0.1", port, "jane", "off")

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = iter(self._lines)
        writer.write(next(lines))
        while line := await reader.readline():
            self.heard.append(line)
            tag = line.split()[0] if line.split() else b"*"
            answer = next(lines, b"")
            if not answer:
                break
            writer.write(answer.replace(b"TAG", tag))
        writer.close()


HELLO = b"* OK hello\r\n"
CAPABILITY = b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"


@pytest.mark.parametrize(
    ("lines", "kind", "text"),
    [
        ([b"* BYE go away\r\n"], MailError, "127.0.0.1"),
        ([HELLO, CAPABILITY, CAPABILITY, b"TAG NO [AUTHENTICATIONFAILED] wrong\r\n"], Permanent, "wrong"),
        ([HELLO, CAPABILITY, CAPABILITY, b"TAG NO [UNAVAILABLE] later\r\n"], Temporary, "later"),
        ([HELLO, CAPABILITY], Temporary, "ended the connection"),
        ([HELLO, CAPABILITY, b'* LIST () "/" {99999999999}\r\n'], Temporary, "ended the connection"),
    ],
)
async def test_servers_that_refuse_or_misbehave(lines: list[bytes], kind: type[MailError], text: str) -> None:
    async with Server(lines) as remote:
        link = ImapLink(remote, "secret")
        with pytest.raises(kind) as refused:
            await link.open()
        await link.close()
    assert text in refused.value.public
    assert "secret" not in f"{refused.value.public}{refused.value.cause}"


@pytest.mark.parametrize(("login", "password"), [("jane\r\nX DELETE INBOX", "x"), ("jane", "x\r\ny"), ("ja\0ne", "x")])
async def test_a_login_cannot_smuggle_commands(login: str, password: str) -> None:
    server = Server([HELLO, CAPABILITY, CAPABILITY, CAPABILITY])
    async with server as remote:
        link = ImapLink(Remote("127.0.0.1", remote.port, login, "off"), password)
        with pytest.raises(Permanent):
            await link.open()
        await link.close()
    assert not any(b"DELETE" in line or b"LOGIN" in line for line in server.heard)
