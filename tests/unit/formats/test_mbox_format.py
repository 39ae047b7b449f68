"""mbox in all its variants: what is read, what is written, and what strangers' text cannot do."""

from __future__ import annotations

import mailbox
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.mbox import MboxMessage, MboxReader, from_date, render
from posthouse.formats.mbox_status import status_fields, take_marks

FROM = b"From a@b Sat Jan  3 01:05:34 1996\n"
AT = 820_631_134.0


def read(octets: bytes, piece: int = 1 << 16, limit: int = 1 << 20) -> list[MboxMessage]:
    reader = MboxReader(limit)
    out: list[MboxMessage] = []
    for at in range(0, len(octets), piece):
        out.extend(reader.feed(octets[at : at + piece]))
    return [*out, *reader.finish()]


def contents(octets: bytes, piece: int = 1 << 16) -> list[bytes]:
    return [message.content for message in read(octets, piece)]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b"From a@b Sat Jan  3 01:05:34 1996", AT),
        (b"From - Sat Jan 03 01:05:34 1996", AT),
        (b"From ???@??? Sat Jan 03 01:05:34 1996", AT),
        (b"From a@b Sat Jan  3 01:05:34 +0100 1996", AT - 3600),
        (b"From a@b Sat Jan  3 01:05:34 1996 -0130", AT + 5400),
        (b"From a@b Sat Jan  3 01:05:34 MET 1996", AT),
        (b"From a b c Sat Jan  3 01:05 1996 remote from x", AT - 34),
        (b"From here on it is easy", None),
        (b"From Sat Jan 32 01:05:34 1996", None),
        (b"From Sat Jan 3 25:05:34 1996", None),
        (b"From Sat Foo 3 01:05:34 1996", None),
    ],
)
def test_dates_of_from_lines(line: bytes, at: float | None) -> None:
    assert from_date(line) == at


def test_a_message_has_its_flags_beside_it_and_the_files_fields_are_gone() -> None:
    head = (
        b"Subject: x\nStatus: RO\nX-Status: AF\nX-Keywords: Work\n  $Forwarded\nX-UID: 7\nX-Mozilla-Status: 1000\n"
        b"X-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1    \nTo: y\n"
    )
    (message,) = read(FROM + head + b"\nbody\n")
    assert message.content == b"Subject: x\r\nTo: y\r\n\r\nbody\r\n"
    assert message.flags == ("\\Seen", "\\Answered", "\\Flagged", "Work", "$Forwarded", "$label1")
    assert message.received_at == AT


def test_what_is_no_message_or_was_deleted_is_passed_over() -> None:
    folder = FROM + b"X-IMAP: 123 456\nStatus: RO\n\nThis text is part of the internal format.\n\n"
    deleted = FROM + b"X-Mozilla-Status: 0009\nSubject: deleted\n\nx\n\n"
    assert contents(b"garbage before\n\n" + folder + deleted + FROM + b"Subject: real\n\nx\n") == [
        b"Subject: real\r\n\r\nx\r\n"
    ]
    assert contents(b"") == contents(b"no mbox at all\n") == contents(FROM) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_of_both_kinds_are_read(end: bytes) -> None:
    text = (FROM + b"A: b\n\n>From x\n>>From y\n\n" + FROM + b"C: d\n\n\n\ntext\n\n").replace(b"\n", end)
    assert contents(text) == [b"A: b\r\n\r\nFrom x\r\n>From y\r\n", b"C: d\r\n\r\n\r\n\r\ntext\r\n"]


def test_a_sentence_that_begins_with_from_begins_no_message() -> None:
    body = b"one\n\nFrom here to there.\n\nFrom 10:30 on, 2026.\nFrom a Sat Jan  3 01:05:34 1996\n"
    assert contents(FROM + b"A: b\n\n" + body) == [b"A: b\r\n\r\n" + body.replace(b"\n", b"\r\n")]


def test_content_length_keeps_from_lines_in_a_body_where_it_is_right() -> None:
    body = b"hello\n\n" + FROM + b"inside\n\n" + FROM + b"too\n"
    text = FROM + b"A: b\nContent-Length: %d\n\n" % len(body) + body + b"\n" + FROM + b"C: d\n\nx\n\n"
    expected = [b"A: b\r\nContent-Length: %d\r\n\r\n" % len(body) + body.replace(b"\n", b"\r\n"), b"C: d\r\n\r\nx\r\n"]
    for piece in (1, 7, 1 << 16):
        assert contents(text, piece) == expected
    assert contents(text[: text.index(b"\n" + FROM + b"C: d")]) == expected[:1]


@pytest.mark.parametrize("length", [10, 20, 47, 60, 90, 10_000, 10**18])
def test_a_wrong_content_length_hides_no_message(length: int) -> None:
    text = FROM + b"A: b\nContent-Length: %d\n\nhello\n\n" % length + (FROM + b"C: d\n\nx\n\n") * 3
    for piece in (1, 1 << 16):
        found = contents(text, piece)
        assert len(found) == 4
        assert found[1:] == [b"C: d\r\n\r\nx\r\n"] * 3


def test_lies_about_lengths_cost_no_more_than_reading_twice() -> None:
    one = FROM + b"A: b\nContent-Length: 900000\n\nhello\n\n"
    began = time.process_time()
    assert len(read(one * 10_000)) == 10_000
    assert time.process_time() - began < 5


def test_a_message_that_is_too_large_is_named_and_not_held() -> None:
    text = FROM + b"A: b\n\n" + b"x" * 70 * 100 + b"\n\n" + FROM + b"C: d\n\ny\n"
    large, small = read(text, piece=1000, limit=5000)
    assert (large.is_whole, large.content, large.size_bytes > 7000) == (False, b"", True)
    assert small.content == b"C: d\r\n\r\ny\r\n"


def test_an_endless_line_or_header_is_no_trouble() -> None:
    assert len(read(FROM + b"A: b\n\n" + b"x" * 500_000, piece=999)[0].content) == 500_000 + 8
    assert read(FROM + b"A" * 3_000_000, piece=65536, limit=1 << 20)[0].size_bytes == 3_000_000


BODIES = st.lists(
    st.one_of(
        st.sampled_from([b"From x", b">From x", b">>From", b"", b".", FROM.strip(), b">" + FROM.strip(), b"Content-Length: 5"]),
        st.binary(max_size=30).map(lambda octets: octets.replace(b"\n", b"").replace(b"\r", b"")),
    ),
    max_size=8,
)
NAMES = st.sampled_from([b"Subject", b"X-A", b"To", b"Return-Path"])
HEADERS = st.lists(st.tuples(NAMES, st.integers(0, 500)), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HEADERS, BODIES), max_size=4), st.integers(1, 80))
def test_what_is_written_comes_back(messages: list[tuple[list[tuple[bytes, int]], list[bytes]]], piece: int) -> None:
    all_contents = [
        b"".join(b"%s: %d\r\n" % field for field in head) + b"\r\n" + b"".join(line + b"\r\n" for line in body)
        for head, body in messages
    ]
    text = b"".join(render(content, ("\\Seen", "Key"), AT) for content in all_contents)
    found = read(text, piece)
    assert [message.content for message in found] == all_contents
    assert all(message.flags == ("\\Seen", "Key") and message.received_at == AT for message in found)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(HEADERS, BODIES), max_size=4))
def test_pythons_module_finds_as_many_messages(messages: list[tuple[list[tuple[bytes, int]], list[bytes]]]) -> None:
    text = b"".join(
        render(b"".join(b"%s: %d\r\n" % field for field in head) + b"\r\n" + b"".join(line + b"\r\n" for line in body), (), AT)
        for head, body in messages
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mbox")
        path.write_bytes(text)
        box = mailbox.mbox(path, create=False)
        assert len(box) == len(messages)
        box.close()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_octets_make_it_fail(octets: bytes, piece: int) -> None:
    assert read(FROM + octets, piece) == read(FROM + octets)


def test_status_fields_and_back() -> None:
    flags = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted", "$Forwarded", "Work")
    kept, marks = take_marks([*status_fields(flags).splitlines(keepends=True), b"A: b\n"])
    assert kept == [b"A: b\n"]
    assert set(marks.flags) == set(flags)
