"""What search reads back from ready-made ENVELOPEs is what was in the message's header."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.mime import summarise
from posthouse.mailstore import envelope


def made(**fields: str) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    return summarise("".join([*lines, "\r\n"]).encode()).envelope


def test_texts_come_back_decoded() -> None:
    octets = made(
        Date="Tue, 24 Nov 2026 02:00:00 +0000",
        Subject='=?utf-8?q?caf=C3=A9?= "to go" \\ (soon)',
        From='"Ann, A." <ann@a.example>, bob@b.example',
        To="=?iso-8859-1?q?J=FCrgen?= <j@c.example>",
        Cc="team: x@d.example, y@d.example;",
    )
    assert envelope.field_text(octets, "subject") == 'café "to go" \\ (soon)'
    assert envelope.field_text(octets, "from") == "Ann, A. <ann@a.example>, bob@b.example"
    assert envelope.field_text(octets, "to") == "Jürgen <j@c.example>"
    assert "x@d.example, y@d.example" in envelope.field_text(octets, "cc")
    assert envelope.field_text(octets, "bcc") == ""
    assert envelope.sent_day(octets) == date(2026, 11, 24)


def test_absent_fields_are_empty() -> None:
    octets = made(X="y")
    assert envelope.field_text(octets, "subject") == ""
    assert envelope.field_text(octets, "from") == ""
    assert envelope.sent_day(octets) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Mon, 1 Feb 21 10:00:00 GMT", date(2021, 2, 1)),
        ("1 Feb 1999 10:00 -0500", date(1999, 2, 1)),
        ("Mon, 31 Feb 2021 10:00:00 +0000", None),
        ("yesterday", None),
    ],
)
def test_the_sent_day_is_that_of_the_field_itself(text: str, day: date | None) -> None:
    assert envelope.sent_day(made(Date=text)) == day


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_subject_comes_back_and_is_never_passed_over(subject: str) -> None:
    octets = made(Date="Tue, 24 Nov 2026 02:00:00 +0000", Subject=subject)
    text = envelope.field_text(octets, "subject")
    if "=?" not in subject:
        assert text.split() == subject.split() or not text.isprintable() or not subject.isprintable()
    for word in text.split():
        if not set(word) & set('"\\'):
            assert envelope.may_have(octets, word)


@pytest.mark.parametrize("octets", [b"", b"(", b"(NIL))", b"NIL", b"(NIL)(NIL)", b'("a'])
def test_what_is_no_list_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="parenthes"):
        envelope.parse(octets)


@given(
    st.lists(
        st.sampled_from(["Ann <a@b>", '"x \\" (y" <q@r>', "grp: a@b;", "b@c", "=?utf-8?q?=C3=84?= <u@v>", "<>", "\x01"]),
        max_size=3,
    )
)
@settings(max_examples=100, deadline=None)
def test_the_first_author_is_the_same_read_quickly_or_wholly(authors: list[str]) -> None:
    content = f"Subject: x\r\nFrom: {', '.join(authors)}\r\nTo: {', '.join(authors)}\r\n\r\n".encode()
    octets = summarise(content).envelope
    assert envelope.first_address(octets, "from") == envelope.first_address(octets, "to")


_ADDRESSES = [
    "Ann <a@b>",
    '"x \\" (y" <q@r>',
    "grp: a@b, c@d;",
    "b@c",
    "=?utf-8?q?=C3=84?= <u@v>",
    "<>",
    "\x01",
    '"(NIL NIL" <NIL>',
]
_addresses = st.lists(st.sampled_from([*_ADDRESSES, f"{'n' * 1100} <l@m>"]), max_size=3).map(", ".join)


@given(
    st.sampled_from(["", "plain", "NIL", "(a) ) (", "=?utf-8?q?=C3=84?=", "ö", "a\\b", '"q"', "s" * 1100]),
    _addresses,
    _addresses,
)
@settings(max_examples=200, deadline=None)
def test_the_texts_are_the_same_read_quickly_or_wholly(subject: str, authors: str, others: str) -> None:
    fields = f"Subject: {subject}\r\n" if subject else ""
    content = f"{fields}From: {authors}\r\nTo: {others}\r\nBcc: {others}\r\n\r\n".encode()
    octets = summarise(content).envelope
    quick = envelope.texts(octets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope, "_plain_texts", lambda _: None)
        assert quick == envelope.texts(octets)


def test_most_envelopes_are_read_quickly() -> None:
    fields = (
        b"Date: Tue, 24 Nov 2026 02:00:00 +0000",
        b"Subject: s",
        b"From: Ann B <a@b.c>",
        b"To: d@e.f, <g@h>",
        b"Message-ID: <i@j>",
    )
    content = b"\r\n".join(fields) + b"\r\n\r\n"
    assert envelope._plain_texts(summarise(content).envelope) == ["s", "Ann B <a@b.c>", "d@e.f, g@h"]
