"""Content-Type and Content-Disposition with their parameters."""

from __future__ import annotations

import pytest

from posthouse.formats.mime.parameters import MAX_PARAMETERS, content_type, disposition, parameters


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("; charset=utf-8", (("charset", "utf-8"),)),
        ('; CHARSET = "utf-8" ; format=flowed', (("charset", "utf-8"), ("format", "flowed"))),
        ("; charset=us-ascii (Plain text)", (("charset", "us-ascii"),)),
        (r'; name="a \"b\" \\ c; d=e"; x=y', (("name", 'a "b" \\ c; d=e'), ("x", "y"))),
        ("; name=my file.pdf; x=y", (("name", "my file.pdf"), ("x", "y"))),
        ('; name="never closed', (("name", "never closed"),)),
        (";; ; junk ; =x; a=", (("a", ""),)),
        ('; filename="=?utf-8?B?w6Q=?="', (("filename", "=?utf-8?B?w6Q=?="),)),
        # RFC 2231 §3, §4, and its combined example.
        ('; URL*0="ftp://"; URL*1="cs.example/x"', (("url", "ftp://cs.example/x"),)),
        ("; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", (("title", "This is ***fun***"),)),
        (
            "; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
            (("title", "This is even more ***fun*** isn't it!"),),
        ),
        ("; f*1=b; f*0=a; f*3=lost", (("f", "ab"),)),
        ("; f*0*=utf-8''%c3; f*1*=%a4", (("f", "ä"),)),
        ("; f=plain; f*=utf-8''%E2%82%AC", (("f", "€"),)),
        ("; f*=iso-8859-1''%A3", (("f", "£"),)),
        ("; f*=nonsense''%ff", (("f", "ÿ"),)),
        ("; f*=nothing%20quoted", (("f", "nothing quoted"),)),
        ("; f*1=only", (("f", ""),)),
    ],
)
def test_parameters(value: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert parameters(value) == pairs


def test_disposition_word_and_parameters() -> None:
    assert disposition("INLINE;filename=x") == ("inline", (("filename", "x"),))
    assert disposition("") == ("", ())


def test_type_defaults_when_broken() -> None:
    assert content_type("text / plain") == ("text", "plain", ())
    assert content_type("Text/X-y; a=b") == ("text", "x-y", (("a", "b"),))


def test_no_more_than_the_allowed_parameters_are_read() -> None:
    assert len(parameters("; a=b" * 5000)) == MAX_PARAMETERS
