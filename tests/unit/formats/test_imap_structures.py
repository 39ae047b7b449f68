"""ENVELOPE, BODY and BODYSTRUCTURE as octets."""

from __future__ import annotations

import pytest

from posthouse.formats.mime import Limits, summarise


def envelope(header: bytes) -> str:
    return summarise(header + b"\r\n").envelope.decode()


def field(name: bytes, value: bytes) -> str:
    """The ENVELOPE of a message with this field alone, without the NILs around."""
    return envelope(name + b": " + value + b"\r\n").removeprefix("(").removesuffix(")")


def test_envelope_of_an_ordinary_message() -> None:
    assert envelope(
        b'Date: Tue, 24 Nov 2026 03:59:00 +0000\r\nSubject: Re: "quoted" \\ thing\r\nFrom: Jane Doe <jane@example.com>\r\n'
        b"Sender: s@example.com\r\nTo: a@example.com, b@example.com\r\nMessage-Id: <1@x>\r\nIn-Reply-To: <0@x>\r\n"
    ) == (
        '("Tue, 24 Nov 2026 03:59:00 +0000" "Re: \\"quoted\\" \\\\ thing" (("Jane Doe" NIL "jane" "example.com"))'
        ' ((NIL NIL "s" "example.com")) (("Jane Doe" NIL "jane" "example.com"))'
        ' ((NIL NIL "a" "example.com")(NIL NIL "b" "example.com")) NIL NIL "<0@x>" "<1@x>")'
    )


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        (b"plain", '"plain"'),
        (b"", '""'),
        (b"=?utf-8?q?=C3=A4?=", '"=?utf-8?q?=C3=A4?="'),
        (b"one\r\n two\r\n\tthree", '"one two three"'),
        ("ä".encode(), "{2}\r\nä"),
        (b"\xe4", "{2}\r\nä"),
        (b"a\rb", '"a b"'),
        (b"a\0b", '"ab"'),
        (b"x" * 1001, "{1001}\r\n" + "x" * 1001),
    ],
)
def test_strings(value: bytes, rendered: str) -> None:
    assert field(b"Subject", value) == f"NIL {rendered} NIL NIL NIL NIL NIL NIL NIL NIL"


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        (b"", "NIL"),
        (b"a@b.example", '((NIL NIL "a" "b.example"))'),
        (b'"A \\"B\\"" <a@b.example>', '(("A \\"B\\"" NIL "a" "b.example"))'),
        (b"a@b.example (A B)", '(("A B" NIL "a" "b.example"))'),
        (b"A <@x.example,@y.example:a@b.example>", '(("A" NIL "a" "b.example"))'),
        (
            b"G: a@b.example, c@d.example;",
            '((NIL NIL "G" NIL)(NIL NIL "a" "b.example")(NIL NIL "c" "d.example")(NIL NIL NIL NIL))',
        ),
        (b"undisclosed-recipients:;", '((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))'),
        (b"root", '((NIL NIL "root" "MISSING_DOMAIN"))'),
        (b"A <>", '(("A" NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))'),
        (b"a@[192.0.2.1]", '((NIL NIL "a" "[192.0.2.1]"))'),
        ("Jörg <j@b.example>".encode(), '(({5}\r\nJörg NIL "j" "b.example"))'),
    ],
)
def test_address_lists(value: bytes, rendered: str) -> None:
    assert field(b"Bcc", value) == f"NIL NIL NIL NIL NIL NIL NIL {rendered} NIL NIL"


def structures(content: bytes) -> tuple[str, str]:
    summary = summarise(content)
    return summary.body.decode(), summary.bodystructure.decode()


def test_text() -> None:
    assert structures(
        b"Content-Type: text/html; charset=utf-8\r\nContent-MD5: abc\r\nContent-Language: de, en\r\n\r\na\r\nb\r\n"
    ) == (
        '("text" "html" ("charset" "utf-8") NIL NIL "7bit" 6 2)',
        '("text" "html" ("charset" "utf-8") NIL NIL "7bit" 6 2 "abc" NIL ("de" "en") NIL)',
    )


def test_basic_part_with_disposition() -> None:
    content = (
        b"Content-Type: application/pdf; name=x.pdf\r\nContent-ID: <i@x>\r\nContent-Description: the thing\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Location: http://x.example/\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''%E2%82%AC.pdf\r\n\r\nAAAA\r\n"
    )
    head = '("application" "pdf" ("name" "x.pdf") "<i@x>" "the thing" "base64" 6'
    assert structures(content) == (
        head + ")",
        head + ' NIL ("attachment" ("filename*" "utf-8\'\'%E2%82%AC.pdf")) NIL "http://x.example/")',
    )


def test_multipart() -> None:
    content = (
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\none\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\nContent-Disposition: inline\r\n\r\n<p>\r\n--b--\r\n"
    )
    assert structures(content) == (
        '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1)("text" "html" NIL NIL NIL "7bit" 3 0) "alternative")',
        '(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1 NIL NIL NIL NIL)'
        '("text" "html" NIL NIL NIL "7bit" 3 0 NIL ("inline" NIL) NIL NIL) "alternative" ("boundary" "b") NIL NIL NIL)',
    )


def test_embedded_message() -> None:
    content = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\nFrom: a@b.example\r\n\r\nhi\r\n"
    author = '((NIL NIL "a" "b.example"))'
    inner = f'(NIL "in" {author} {author} {author} NIL NIL NIL NIL NIL)'
    assert structures(content) == (
        f'("message" "rfc822" NIL NIL NIL "7bit" 38 {inner} ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 1) 4)',
        f'("message" "rfc822" NIL NIL NIL "7bit" 38 {inner} ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 1'
        " NIL NIL NIL NIL) 4 NIL NIL NIL NIL)",
    )


def test_where_the_index_ended_the_grammar_still_holds() -> None:
    shallow = Limits(max_depth=1)
    mixed = summarise(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", shallow)
    assert mixed.body == b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed")'
    forwarded = summarise(b"Content-Type: message/rfc822\r\n\r\nA: 1\r\n\r\nx", shallow)
    assert forwarded.body == (
        b'("message" "rfc822" NIL NIL NIL "7bit" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)'
        b' ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) 2)'
    )
