"""Sections, chosen fields and decoded content of a stored message."""

from __future__ import annotations

import pytest

from posthouse.formats.mime import index, sections
from posthouse.formats.mime.sections import UnknownEncoding, Word
from posthouse.model.summary import Part

# The tree of RFC 9051 §6.4.5.1's example, cut short.
CONTENT = (
    (
        "Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\n"
        "--o\nContent-Type: text/plain\n\none\n"
        "--o\nContent-Type: message/rfc822\nX: y\n\nSubject: two\nFrom: f@x\nContent-Type: multipart/mixed; boundary=i\n\n"
        "--i\n\ntwo-one\n--i\nContent-Type: image/gif\nContent-Transfer-Encoding: base64\n\nR0lG\nODk=\n--i--\n"
        "--o\nContent-Type: message/rfc822\n\nSubject: three\n\ninner\n"
        "--o--\n"
    )
    .replace("\n", "\r\n")
    .encode()
)
ROOT = index(CONTENT)


@pytest.mark.parametrize(
    ("number", "word", "octets"),
    [
        ("", "", CONTENT),
        ("", "HEADER", b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"),
        ("1", "", b"one"),
        ("1", "MIME", b"Content-Type: text/plain\r\n\r\n"),
        ("1", "HEADER", None),
        ("1.1", "", None),
        ("2", "MIME", b"Content-Type: message/rfc822\r\nX: y\r\n\r\n"),
        ("2", "HEADER", b"Subject: two\r\nFrom: f@x\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"),
        ("2.1", "", b"two-one"),
        ("2.2", "", b"R0lG\r\nODk="),
        ("2.3", "", None),
        ("3", "", b"Subject: three\r\n\r\ninner"),
        ("3", "HEADER", b"Subject: three\r\n\r\n"),
        ("3", "TEXT", b"inner"),
        ("3.1", "", b"inner"),
        ("3.1", "MIME", b"Subject: three\r\n\r\n"),
        ("3.2", "", None),
        ("4", "", None),
        ("0", "", None),
        ("x", "", None),
        ("9" * 30, "", None),
        ("", "MIME", None),
    ],
)
def test_sections(number: str, word: Word, octets: bytes | None) -> None:
    assert sections.section(CONTENT, ROOT, number, word) == octets


def test_header_and_text_make_the_whole_message() -> None:
    header, text = sections.section(CONTENT, ROOT, "", "HEADER"), sections.section(CONTENT, ROOT, "", "TEXT")
    assert header is not None and text is not None
    assert header + text == CONTENT


def test_part_one_of_a_message_that_is_no_multipart_is_its_body() -> None:
    content = b"Subject: x\r\n\r\nbody"
    assert sections.section(content, index(content), "1") == b"body"
    assert sections.section(content, index(content), "1", "MIME") == b"Subject: x\r\n\r\n"
    assert sections.section(content, index(content), "2") is None


def test_message_in_message_in_message() -> None:
    content = b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\nSubject: b\r\n\r\nSubject: c\r\n\r\nx"
    root = index(content)
    assert sections.section(content, root, "1", "HEADER") == b"Content-Type: message/rfc822\r\nSubject: b\r\n\r\n"
    assert sections.section(content, root, "1.1", "HEADER") == b"Subject: c\r\n\r\n"
    assert sections.section(content, root, "1.1.1") == b"x"
    assert sections.section(content, root, "1.1.1.1") is None


def test_every_part_is_found_again_by_its_own_number() -> None:
    def check(part: Part) -> None:
        found = sections.part_at(ROOT, part.section)
        assert found is part or (found is not None and found.children == (part,) and part.type == "multipart")
        for child in part.children:
            check(child)

    check(ROOT)


def test_chosen_fields() -> None:
    assert sections.header_fields(CONTENT, ROOT, "", ["SUBJECT", "To"]) == b"Subject: outer\r\n\r\n"
    assert sections.header_fields(CONTENT, ROOT, "2", ["from", "subject"]) == b"Subject: two\r\nFrom: f@x\r\n\r\n"
    not_these = sections.header_fields(CONTENT, ROOT, "2", ["Content-Type", "FROM"], exclude=True)
    assert not_these == b"Subject: two\r\n\r\n"
    assert sections.header_fields(CONTENT, ROOT, "", ["x-none"]) == b"\r\n"
    assert sections.header_fields(CONTENT, ROOT, "1", ["subject"]) is None
    assert sections.header_fields(CONTENT, ROOT, "7", ["subject"]) is None


def test_a_chosen_field_at_the_very_end_gets_its_line_break() -> None:
    assert sections.header_fields(b"A: 1", index(b"A: 1"), "", ["a"]) == b"A: 1\r\n\r\n"


def part_of(content: bytes) -> bytes:
    return sections.decoded(content, index(content))


@pytest.mark.parametrize(
    ("encoding", "body", "decoded"),
    [
        (b"7bit", b"a=3D\r\n", b"a=3D\r\n"),
        (b"", b"a", b"a"),
        (b"BASE64", b"R0lG\r\nODk=\r\n", b"GIF89"),
        (b"base64", b"R0lG!!ODk", b"GIF89"),
        (b"base64", b"R0lGO", b"GIF"),
        (b"quoted-printable", b"a=3Db=\r\nc =E4\r\n", b"a=bc \xe4\r\n"),
        (b"quoted-printable", b"a=zz=", b"a=zz="),
    ],
)
def test_decoded(encoding: bytes, body: bytes, decoded: bytes) -> None:
    got = part_of(b"Content-Type: application/x\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body)
    assert got.rstrip(b"=") == decoded.rstrip(b"=")


def test_unknown_encoding_is_told() -> None:
    with pytest.raises(UnknownEncoding):
        part_of(b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin")


def test_multiparts_are_never_decoded() -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx\r\n--b--"
    assert part_of(content) == b"--b\r\n\r\nx\r\n--b--"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'Content-Disposition: attachment; filename="=?utf-8?q?=E2=82=AC?=.pdf"\r\n', "€.pdf"),
        (b"Content-Disposition: attachment; filename*=utf-8''%E2%82%AC.pdf\r\n", "€.pdf"),
        (b"Content-Type: image/png; name=a.png\r\n", "a.png"),
        (b"", ""),
    ],
)
def test_filename(header: bytes, name: str) -> None:
    assert sections.filename(index(header + b"\r\n")) == name
