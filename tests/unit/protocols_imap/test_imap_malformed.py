"""Commands that break the grammar, and how each is refused."""

from __future__ import annotations

import pytest

from posthouse.protocols.imap.parse import name_of, parse, tag_of
from posthouse.protocols.imap.scanner import Malformed

BAD = [
    b"",
    b"a1",
    b"a1 ",
    b"+ NOOP",
    b"a(1 NOOP",
    b'"a" NOOP',
    b"x" * 129 + b" NOOP",
    b"a1 NONSENSE",
    b"a1 NOOP x",
    b"a1 NOOP\x00",
    b"a1 NO\xffOP",
    b"a1 UID",
    b"a1 UID NOOP",
    b"a1 UID EXPUNGE",
    b"a1 LOGIN jane",
    b"a1 LOGIN jane secret more",
    b'a1 LOGIN jane "secret',
    b'a1 LOGIN jane "sec\x00ret"',
    b'a1 LOGIN jane "secret\\"',
    b"a1 LOGIN jane {6}",
    b'a1 LOGIN jane "\xff"',
    b"a1 AUTHENTICATE",
    b"a1 AUTHENTICATE PLAIN !!",
    b"a1 AUTHENTICATE PLAIN AGEAYg==AAAA",
    b"a1 ENABLE",
    b"a1 ENABLE" + b" X" * 51,
    b"a1 ID (name)",
    b"a1 ID X",
    b'a1 ID ("a" "b"' + b' "a" "b"' * 30 + b")",
    b"a1 SELECT",
    b"a1 SELECT INBOX (",
    b"a1 SELECT INBOX (FOO)",
    b"a1 SELECT INBOX (QRESYNC (0 1))",
    b"a1 SELECT INBOX (QRESYNC (1 1 $))",
    b"a1 SELECT INBOX (QRESYNC (1 1 1 (1)))",
    b"a1 CREATE x (FOO (\\Sent))",
    b"a1 RENAME x",
    b"a1 STATUS INBOX",
    b"a1 STATUS INBOX ()",
    b"a1 STATUS INBOX (NOTHING)",
    b'a1 LIST ""',
    b'a1 LIST "" ()',
    b'a1 LIST (RECURSIVEMATCH) "" *',
    b'a1 LIST (FOO) "" *',
    b'a1 LIST "" * FOO',
    b'a1 LIST "" * RETURN (FOO)',
    b'a1 LIST "" * RETURN (STATUS ())',
    b'a1 LIST "" (' + b"* " * 101 + b")",
    b"a1 APPEND INBOX",
    b'a1 APPEND INBOX "text"',
    b"a1 APPEND INBOX (\\Foo) {1}\n",
    b'a1 APPEND INBOX "31-Feb-2026 00:00:00 +0000" {1}\n',
    b'a1 APPEND INBOX "01-Feb-2026 25:00:00 +0000" {1}\n',
    b"a1 APPEND INBOX UTF8 ({1}\n",
    b"a1 STORE 1",
    b"a1 STORE 1 FLAGS",
    b"a1 STORE 1 GLAGS (\\Seen)",
    b"a1 STORE 1 FLAGS (\\Seen",
    b"a1 STORE 1 FLAGS (\\*)",
    b'a1 STORE 1 FLAGS ("x")',
    b"a1 STORE 1 (CHANGEDSINCE 1) FLAGS (x)",
    b"a1 STORE 1 +FLAGS" + b" x" * 101,
    b"a1 STORE 0 FLAGS (x)",
    b"a1 STORE 1:0 FLAGS (x)",
    b"a1 STORE 4294967296 FLAGS (x)",
    b"a1 STORE 1, FLAGS (x)",
    b"a1 STORE 1:2:3 FLAGS (x)",
    b"a1 STORE ** FLAGS (x)",
    b"a1 STORE " + b"9" * 5000 + b" FLAGS (x)",
    b"a1 COPY 1",
    b"a1 COPY x y",
    b"a1 FETCH 1",
    b"a1 FETCH 1 ()",
    b"a1 FETCH 1 NOTHING",
    b"a1 FETCH 1 (ALL)",
    b"a1 FETCH 1 (FLAGS",
    b"a1 FETCH 1 BODY[",
    b"a1 FETCH 1 BODY[0]",
    b"a1 FETCH 1 BODY[1.]",
    b"a1 FETCH 1 BODY[.TEXT]",
    b"a1 FETCH 1 BODY[1TEXT]",
    b"a1 FETCH 1 BODY[MIME]",
    b"a1 FETCH 1 BODY[FOO]",
    b"a1 FETCH 1 BODY[HEADER.FIELDS]",
    b"a1 FETCH 1 BODY[HEADER.FIELDS ()]",
    b"a1 FETCH 1 BODY[]<0.0>",
    b"a1 FETCH 1 BODY[]<1>",
    b"a1 FETCH 1 BINARY[1.TEXT]",
    b"a1 FETCH 1 BINARY.SIZE[1]<0.5>",
    b"a1 FETCH 1 BODY[" + b"1." * 200 + b"1]",
    b"a1 FETCH 1 FLAGS (CHANGEDSINCE)",
    b"a1 FETCH 1 FLAGS (CHANGEDSINCE 99999999999999999999)",
    b"a1 FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
    b"a1 UID FETCH 1 FLAGS (VANISHED)",
    b"a1 UID FETCH 1 FLAGS (PARTIAL 1:-5)",
    b"a1 SEARCH",
    b"a1 SEARCH ()",
    b"a1 SEARCH (ALL",
    b"a1 SEARCH ALL)",
    b"a1 SEARCH NOT",
    b"a1 SEARCH OR ALL",
    b"a1 SEARCH NOTHING x",
    b"a1 SEARCH SINCE yesterday",
    b"a1 SEARCH SINCE 30-Feb-2026",
    b"a1 SEARCH SINCE 1-Feb-0000",
    b"a1 SEARCH OLDER 0",
    b"a1 SEARCH LARGER x",
    b'a1 SEARCH MODSEQ "/flags/x" none 5',
    b"a1 SEARCH RETURN (FOO) ALL",
    b"a1 SEARCH RETURN (ALL PARTIAL 1:2) ALL",
    b'a1 SEARCH BODY "\xff"',
]


@pytest.mark.parametrize("text", BAD)
def test_what_breaks_the_grammar_is_bad(text: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text, [b"x"] * text.count(b"\n"))
    assert caught.value.status == "BAD"
    assert caught.value.text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"a1 SELECT A&B", "CANNOT"),
        (b"a1 SELECT &AAA-", "CANNOT"),
        (b"a1 SELECT &2AA-", "CANNOT"),
        (b'a1 SELECT "\xff"', "CANNOT"),
        (b"a1 CREATE x (USE (\\Nonsense))", "USEATTR"),
        (b"a1 SEARCH CHARSET KOI8-R ALL", "BADCHARSET (US-ASCII UTF-8)"),
        (b"a1 SEARCH " + b"NOT " * 101 + b"ALL", "LIMIT"),
        (b"a1 SEARCH " + b"(" * 500 + b"ALL" + b")" * 500, "LIMIT"),
        (b"a1 SEARCH" + b" ALL" * 2001, "LIMIT"),
    ],
)
def test_what_cannot_be_done_is_no_with_its_code(text: bytes, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert (caught.value.status, caught.value.code) == ("NO", code)


def test_an_empty_message_is_not_appended() -> None:
    with pytest.raises(Malformed) as caught:
        parse(b"a1 APPEND INBOX {0}\n", [b""])
    assert caught.value.status == "NO"


def test_a_binary_literal_is_only_for_append() -> None:
    with pytest.raises(Malformed):
        parse(b"a1 SELECT ~{5}\n", [b"INBOX"])
    with pytest.raises(Malformed):
        parse(b"a1 SELECT {5}\n", [b"IN\0OX"])


def test_the_tag_and_the_name_are_found_as_far_as_they_are_there() -> None:
    assert tag_of(b"a1 NONSENSE (") == b"a1"
    assert tag_of(b"a1") == b"a1"
    assert tag_of(b"") == b"*"
    assert tag_of(b"a\xff1 NOOP") == b"*"
    assert name_of(b"a1 append x") == b"APPEND"
    assert name_of(b"a1") == b""
