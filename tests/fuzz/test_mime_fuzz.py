"""Arbitrary octets, and octets that look like mail: the parsers of formats never raise, and what they say holds together."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats import addresslist, dates, headers
from posthouse.formats.mime import Limits, index, sections, summarise
from posthouse.formats.mime.parameters import parameters
from posthouse.model.summary import Part

LIMITS = Limits(max_headers=20, max_header_bytes=600, max_parts=12, max_depth=5)
PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b":", b";", b'"', b"\\", b"(", b")", b"<", b">", b"@", b",", b"=?",
        b"--b", b"--b\r\n", b"--b--\r\n", b"\n--b\n", b"--bb\r\n", b"\0", b"\xff", "ä€😀".encode(), b"From ", b"a@b.example",
        b"Content-Type: multipart/mixed; boundary=b\r\n", b'Content-Type: multipart/digest; boundary="bb"\r\n',
        b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: text/html; charset=utf-16\r\n", b"Content-Type: ",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"=E4=", b"QUJD", b"?=",
        b"Content-Disposition: attachment; filename*0*=utf-8''%e4; filename*1=x\r\n", b"Content-Language: de, en\r\n",
        b"Subject: =?utf-8?q?=C3=A4?= =?x?b?QQ?=\r\n", b"From: G: a@b, <@c:d@e> (x);\r\n", b"To: ",
        b"Date: Tue, 24 Nov 2026\r\n",
        b"Message-ID: <a@b>\r\n", b"References: <a> <b>\r\n", b"X: y\r\n z\r\n", b"<style>", b"<p>", b"&amp;", b"x" * 70,
    ]
)  # fmt: skip
MAIL = st.lists(st.one_of(PIECES, st.binary(max_size=6)), max_size=60).map(b"".join)
CHARACTERS = [*"ab@<>,;:()\"\\[]. \t=?*'%0123-+", "ä", "=?utf-8?q?", "?=", "*0*="]
TEXT = st.lists(st.sampled_from(CHARACTERS), max_size=60).map("".join)


def check_part(content: bytes, part: Part, start: int, end: int) -> None:
    """Offsets lie in order within the parent, children do not overlap, fields lie within the header."""
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    position = part.header_start
    for field in part.headers:
        assert position <= field.start < field.value_start <= field.end <= part.body_start
        assert field.name.isascii() and field.name == field.name.lower()
        position = field.end
    position = part.body_start
    for child in part.children:
        check_part(content, child, position, part.body_end)
        position = child.body_end
    assert part.lines <= content.count(b"\n", part.body_start, part.body_end)


def sections_hold(content: bytes, root: Part, part: Part) -> None:
    number = part.section or "1"
    if part.type != "multipart":
        assert sections.part_at(root, number) is part
        assert sections.section(content, root, number) == content[part.body_start : part.body_end]
    for child in part.children:
        sections_hold(content, root, child)


def balanced(octets: bytes) -> bool:
    """Whether this is one parenthesised IMAP list of atoms, strings and lists, to the last octet."""
    depth, position = 0, 0
    token = re.compile(rb'\(|\)|"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*"|\{(\d+)\}\r\n|NIL|\d+| ')
    while position < len(octets):
        match = token.match(octets, position)
        if match is None:
            return False
        position = match.end() + int(match[1] or 0)
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if depth == 0 and position < len(octets):
            return False
    return depth == 0 and position == len(octets)


def check(content: bytes, limits: Limits) -> None:
    summary = summarise(content, limits)
    root = summary.root
    check_part(content, root, 0, len(content))
    sections_hold(content, root, root)
    assert (root.header_start, root.body_end) == (0, len(content))
    assert index(content, limits) == root
    header, text = sections.section(content, root, "", "HEADER"), sections.section(content, root, "", "TEXT")
    assert header is not None and text is not None and header + text == content
    for octets in (summary.envelope, summary.body, summary.bodystructure):
        assert balanced(octets), octets
    for shown in (summary.subject, summary.preview, *summary.from_addresses, *summary.to_addresses):
        shown.encode()
    assert len(summary.subject) <= 1000 and len(summary.preview) <= 200


@settings(max_examples=300, deadline=None)
@given(MAIL)
def test_octets_that_look_like_mail(content: bytes) -> None:
    check(content, Limits())


@settings(max_examples=200, deadline=None)
@given(MAIL)
def test_octets_that_look_like_mail_within_small_limits(content: bytes) -> None:
    check(content, LIMITS)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_octets(content: bytes) -> None:
    check(content, LIMITS)


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_texts_of_fields(text: str) -> None:
    headers.decode_words(text)
    headers.addresses(text)
    dates.parse(text)
    for name, _ in parameters(text):
        assert name == name.lower()


def spaced(entry: addresslist.Entry) -> tuple[str, str | None, str | None]:
    """The entry with runs of white space in its name as single spaces."""
    name, local, domain = entry
    return " ".join((name or "").split()), local, domain


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_the_quick_way_through_an_address_list_agrees_with_the_whole_grammar(text: str) -> None:
    quick = addresslist.entries(text)
    whole = addresslist._Reader(text).read()
    assert [spaced(entry) for entry in quick] == [spaced(entry) for entry in whole]
