"""Header text: unfolding, encoded words both ways, addresses, looking up."""

from __future__ import annotations

import email.header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats import headers
from posthouse.formats.mime import index


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b" one\r\n", "one"),
        (b"one\r\n two\r\n", "one two"),
        (b"one\n\ttwo", "one two"),
        (b"\r\n one", "one"),
        (b"a\0b", "ab"),
        ("ä".encode(), "ä"),
        (b"\xe4", "ä"),
        (b"\x81", "�"),
    ],
)
def test_unfold(raw: bytes, text: str) -> None:
    assert headers.unfold(raw) == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("plain", "plain"),
        ("=?ISO-8859-1?Q?a?=", "a"),
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a?=   =?UTF-8?B?Yg==?=", "ab"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        ("x =?utf-8*de?q?=C3=A4?= y", "x ä y"),
        ("=?utf-8?B?w6Q=?=", "ä"),
        ("=?utf-8?B?w6Q?=", "ä"),
        ("=?utf-8?B?ww==?= =?utf-8?B?pA==?=", "ä"),
        ("=?gb2312?B?1tDOxA==?=", "中文"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?utf-8?q?broken", "=?utf-8?q?broken"),
        ("=?nonsense?q?=E4?=", "ä"),
        ("=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("=?utf-8?q?a=zz?=", "a=zz"),
        ("=?utf-8?q?a=0D=0AX:_y?=", "a X: y"),
        ("=?utf-8?q?two words?=", "two words"),
    ],
)
def test_decode_words(words: str, text: str) -> None:
    assert headers.decode_words(words) == text


def test_decoding_is_bounded() -> None:
    assert len(headers.decode_words("=?utf-8?q?xxxxxxxxxx?= " * 10_000)) == headers.MAX_DECODED
    assert headers.decode_words("x" * 5000, 10) == "x" * 10


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200))
def test_what_was_encoded_is_decoded_again_here_and_by_the_standard_library(text: str) -> None:
    encoded = headers.encode_header(text)
    assert encoded.isascii()
    assert all(len(line) <= 76 for line in encoded.split("\r\n")) or text.isascii()
    unfolded = headers.unfold(encoded.encode())
    assert headers.decode_words(unfolded).strip() == text.strip()
    if not text.isascii():
        assert str(email.header.make_header(email.header.decode_header(unfolded))) == text


def test_encoding_keeps_line_breaks_out() -> None:
    assert headers.encode_header("a\r\nBcc: x") == "a Bcc: x"


def test_values_and_search() -> None:
    content = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX: one\r\nx: two\r\n\r\n"
    root = index(content)
    assert headers.value_of(content, root, "subject") == "=?utf-8?q?Gr=C3=BC=C3=9Fe?="
    assert headers.value_of(content, root, "to") == ""
    assert headers.values_of(content, root, "x") == ["one", "two"]
    found = headers.find(root.headers, "subject")
    assert found is not None and headers.decoded_value(content, found) == "Grüße"
    assert headers.field_contains(content, root, "SUBJECT", "GRÜSSE")
    assert headers.field_contains(content, root, "x", "TWO")
    assert headers.field_contains(content, root, "x", "")
    assert not headers.field_contains(content, root, "x", "three")
    assert not headers.field_contains(content, root, "y", "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a@b.example", [("", "a", "b.example")]),
        ("Jane Doe <jane@b.example>", [("Jane Doe", "jane", "b.example")]),
        ('"Doe, Jane" <jane@b.example>, x@y.example', [("Doe, Jane", "jane", "b.example"), ("", "x", "y.example")]),
        ("=?utf-8?q?J=C3=B6rg?= <j@b.example>", [("Jörg", "j", "b.example")]),
        ("John Q. Public <j@b.example>", [("John Q. Public", "j", "b.example")]),
        (
            "team: a@b.example, c@d.example; e@f.example",
            [("", "a", "b.example"), ("", "c", "d.example"), ("", "e", "f.example")],
        ),
        ("<@r.example:a@b.example>", [("", "a", "b.example")]),
        ("a@b.example <c@d.example>", [("a@b.example", "c", "d.example")]),
        ("Jane a@b.example <c@d.example>", [("Jane a@b.example", "c", "d.example")]),
        ('"john doe"@b.example', [("", "john doe", "b.example")]),
        ("john . doe @ b . example", [("", "john.doe", "b.example")]),
        ("a@b.example (J (nested) \\) Doe)", [("J (nested) ) Doe", "a", "b.example")]),
        ("a@b.example (never closed", [("", "a", "b.example")]),
        ("Jane <jane@b.example", [("Jane", "jane", "b.example")]),
        (",,a@b.example,", [("", "a", "b.example")]),
        ("jörg@müller.example", [("", "jörg", "müller.example")]),
        ("nobody", [("", "nobody", "")]),
    ],
)
def test_addresses(value: str, expected: list[tuple[str, str, str]]) -> None:
    assert headers.addresses(value) == expected
