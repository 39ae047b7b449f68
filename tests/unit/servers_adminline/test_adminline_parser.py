"""The administration protocol's lines: requests in, replies out (ADM-3)."""

from __future__ import annotations

import pytest

from posthouse.protocols.adminline import (
    MAX_WORDS,
    AdminLineParser,
    Line,
    Malformed,
    TooLong,
    bare_line,
    data_line,
    ending,
    greeting,
)


def parse(data: bytes, *, step: int = 0) -> list[Line | Malformed]:
    parser = AdminLineParser(1 << 20)
    out = []
    for start in range(0, len(data), step or len(data) or 1):
        parser.feed(data[start : start + (step or len(data))])
        while (found := parser.next()) is not None:
            out.append(found)
    return out


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"1 VERSION\r\n", ("VERSION",)),
        (b"1 VERSION\n", ("VERSION",)),
        (b'1  USER ADD\tbob pw "Bob Smith" \r\n', ("USER", "ADD", "bob", "pw", "Bob Smith")),
        (b'1 X "" "a\\"b" "c\\\\d" "(e)"\r\n', ("X", "", 'a"b', "c\\d", "(e)")),
        (b"1 X {5+}\r\na\r\nb\n\r\n", ("X", "a\r\nb\n")),
        (b"1 X {3+}\r\nabc y {0+}\r\n z\r\n", ("X", "abc", "y", "", "z")),
        ('1 X Jürgen "Zoë B"\r\n'.encode(), ("X", "Jürgen", "Zoë B")),
        (b"1 X {5} {5+} y\r\n", ("X", "{5}", "{5+}", "y")),
        (b'1 X a"b\r\n', ("X", 'a"b')),
    ],
)
def test_requests(data: bytes, words: tuple[str, ...], step: int) -> None:
    assert parse(data, step=step) == [Line("1", words)]


def test_pipelined_requests_come_one_by_one_and_empty_lines_are_passed_over() -> None:
    assert parse(b"\r\n1 A\r\n\r\n2 B\r\n3") == [Line("1", ("A",)), Line("2", ("B",))]


@pytest.mark.parametrize(
    ("data", "tag", "why"),
    [
        (b'1 X "abc\r\n', "1", "does not end"),
        (b'1 X "abc"d\r\n', "1", "space"),
        (b"1\r\n", "1", "missing"),
        (b'"1" {x}\r\n', "1", ""),
        (b"* X\r\n", "*", "tag"),
        (b"1 X \xff\r\n", "1", "UTF-8"),
        (b"1 X a\x00b\r\n", "1", "NUL"),
        (b"1" + b" a" * (MAX_WORDS + 5) + b"\r\n", "1", "too many"),
    ],
)
def test_malformed_lines_are_answered_under_their_tag_and_the_next_is_understood(data: bytes, tag: str, why: str) -> None:
    first, second = parse(data + b"2 VERSION\r\n")
    if isinstance(first, Malformed):
        assert first.tag == tag
        assert why in first.why
    else:
        assert first == Line("1", ("{x}",))
    assert second == Line("2", ("VERSION",))


@pytest.mark.parametrize("data", [b"1 X " + b"a" * 70_000, b"1 X {999999999+}\r\n", b"1 X {1048577+}\r\n"])
def test_what_passes_the_limits_ends_the_connection_before_it_is_stored(data: bytes) -> None:
    with pytest.raises(TooLong):
        parse(data)


def test_many_literals_count_together() -> None:
    parser = AdminLineParser(100)
    parser.feed(b"1 X {60+}\r\n" + b"a" * 60 + b" {60+}\r\n")
    with pytest.raises(TooLong):
        parser.next()


def test_replies() -> None:
    assert greeting("mx.example.com", "0.1.0") == b"* OK mx.example.com admind 0.1.0\r\n"
    assert data_line("7", ["bob", 'Bob "B" Smith', 5, True, None, ""]) == b'* 7 "bob" "Bob \\"B\\" Smith" 5 yes "" ""\r\n'
    assert bare_line("7", "01ABC") == b"* 7 01ABC\r\n"
    assert ending("7", ok=True) == b"7 OK\r\n"
    assert ending("7", ok=False, text="Already\r\nexists") == b"7 NO Already exists\r\n"


def test_line_ends_go_as_a_literal_in_the_last_field_and_as_spaces_in_others() -> None:
    assert data_line("7", ["a\r\nb", "c\nd\n"]) == b'* 7 "a b" {4}\r\nc\nd\n\r\n'
    # The old clients take a literal's mark anywhere in a line for one.
    assert data_line("7", ["x {5}"]) == b"* 7 {5}\r\nx {5}\r\n"
