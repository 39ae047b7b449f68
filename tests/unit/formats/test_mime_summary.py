"""The summary: decoded facts, digest, preview."""

from __future__ import annotations

import base64
import hashlib
import quopri

import pytest

from posthouse.formats.mime import Limits, summarise
from posthouse.formats.mime import limits as words
from posthouse.formats.mime.preview import MAX_CHARS

MESSAGE = (
    b"Received: from x\r\n"
    b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>, b@example.org\r\n"
    b'To: "Doe, Jane" <jane@example.com>\r\n'
    b"to: team: a@example.com, b@example.com;\r\n"
    b"Cc: undisclosed-recipients:;\r\n"
    b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n =?iso-8859-1?Q?_aus_K=F6ln?=\r\n"
    b"Date: Tue, 24 Nov 2026 04:59:00 +0100 (CET)\r\n"
    b"Message-ID:\r\n <one@example.org>\r\n"
    b"In-Reply-To: Your message <two@example.org> of Monday\r\n"
    b"References: <three@example.org>\r\n\t<two@example.org>\r\n"
    b"\r\n"
    b"Hello,\r\n\r\n   this is   it.\r\n"
)


def test_facts_of_an_ordinary_message() -> None:
    summary = summarise(MESSAGE, Limits())
    assert summary.size_bytes == len(MESSAGE)
    assert summary.digest == hashlib.sha256(MESSAGE).digest()
    assert summary.from_addresses == ("joerg@example.org", "b@example.org")
    assert summary.to_addresses == ("jane@example.com", "a@example.com", "b@example.com")
    assert summary.cc_addresses == ()
    assert summary.subject == "Grüße aus Köln"
    assert summary.sent_at == 1_795_492_740.0
    assert summary.message_id == "<one@example.org>"
    assert summary.in_reply_to == "<two@example.org>"
    assert summary.references == ("<three@example.org>", "<two@example.org>")
    assert summary.preview == "Hello, this is it."
    assert summary.count("to") == 2
    assert MESSAGE[summary.header_end :].startswith(b"Hello")
    assert summary.problems == ()


def test_empty_message() -> None:
    summary = summarise(b"")
    assert (summary.subject, summary.preview, summary.sent_at, summary.message_id) == ("", "", None, "")
    assert summary.envelope == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    assert summary.bodystructure == b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'


def test_limits_are_told() -> None:
    assert summarise(b"A: 1\r\n" * 9, Limits(max_headers=3)).problems == (words.TOO_MANY_FIELDS,)


def test_message_id_without_brackets_is_kept_as_it_is() -> None:
    assert summarise(b"Message-ID: abc\r\n\r\n").message_id == "abc"


def test_addresses_with_odd_local_parts_are_spelled_so_that_they_parse_again() -> None:
    assert summarise(b'From: "a \\"b\\" c"@example.org\r\n\r\n').from_addresses == ('"a \\"b\\" c"@example.org',)


TEXT = "Grüße aus Köln, meine lieben Freunde. " * 12
EXPECTED = TEXT[:MAX_CHARS].rstrip()


def message(kind: str, encoding: str, body: bytes) -> bytes:
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(message("text/plain; charset=utf-8", "8bit", TEXT.encode()), EXPECTED, id="utf-8"),
        pytest.param(message("text/plain; charset=ISO-8859-1", "8bit", TEXT.encode("latin1")), EXPECTED, id="latin 1"),
        pytest.param(message("text/plain; charset=utf-8", "base64", base64.encodebytes(TEXT.encode())), EXPECTED, id="base64"),
        pytest.param(
            message("text/plain; charset=utf-8", "Quoted-Printable", quopri.encodestring(TEXT.encode())), EXPECTED, id="qp"
        ),
        pytest.param(message("text/plain", "8bit", TEXT.encode()), EXPECTED, id="undeclared utf-8"),
        pytest.param(message("text/plain; charset=bogus", "8bit", TEXT.encode("cp1252")), EXPECTED, id="unknown charset"),
        pytest.param(message("text/plain; charset=punycode", "8bit", b"abc-"), "abc-", id="a codec that is no charset"),
        pytest.param(message("text/plain; charset=latin1", "8bit", b"caf\xe9"), "café", id="last octet outside ASCII"),
        pytest.param(message("text/plain", "x-unknown", b"abc"), "", id="unknown encoding"),
        pytest.param(message("text/plain", "7bit", b"a\0b\x1bc\xc2\xa0d\r\n"), "a b c d", id="controls"),
        pytest.param(message("application/pdf", "7bit", b"abc"), "", id="no text"),
        pytest.param(
            message(
                "text/html",
                "7bit",
                b"<html><head><title>no</title><STYLE>p{x:y}</STYLE><!-- no --></head><body><p>a &lt; b</p>1 < 2<br>c</body>",
            ),
            "a < b 1 < 2 c",
            id="html",
        ),
    ],
)
def test_preview(content: bytes, expected: str) -> None:
    assert summarise(content).preview == expected


def test_preview_does_not_cut_a_character_in_two() -> None:
    body = b"<p>" * 1363 + "xä€ö".encode()  # 4,096 octets end within the euro sign.
    assert len(body[:4096]) == 4096
    assert summarise(message("text/html; charset=utf-8", "8bit", body)).preview in ("xä", "xä€")


def test_preview_takes_plain_text_before_html_and_no_attachment() -> None:
    content = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Disposition: attachment\r\n\r\nattached\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n"
        b"--b\r\n\r\nplain\r\n--b--\r\n"
    )
    assert summarise(content).preview == "plain"
    assert summarise(content.replace(b"--b\r\n\r\nplain\r\n", b"")).preview == "rich"
