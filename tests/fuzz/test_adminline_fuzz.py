"""Garbage and near-misses at the administration protocol's and the control socket's parsers (ADM-3)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.adminline import AdminLineParser, Line, Malformed, TooLong, data_line
from posthouse.protocols.control import FrameError, FrameReader, decode_answer, decode_request

PIECES = st.sampled_from(
    [
        b"1 ",
        b"X",
        b" ",
        b'"',
        b"\\",
        b"\r\n",
        b"\n",
        b"{",
        b"{3+}",
        b"{3+}\r\n",
        b"{0+}\r\n",
        b"abc",
        b"(",
        b"\x00",
        b"\xff",
        b"*",
    ]
)
OCTETS = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=40).map(b"".join))
SAFE_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


def drain(parser: AdminLineParser) -> list[Line | Malformed]:
    out = []
    while (found := parser.next()) is not None:
        out.append(found)
    return out


@settings(max_examples=300, deadline=None)
@given(OCTETS, st.integers(1, 50))
def test_any_octets_are_understood_the_same_however_they_are_cut(data: bytes, step: int) -> None:
    whole, cut = AdminLineParser(1000), AdminLineParser(1000)
    try:
        whole.feed(data)
        expected: list[Line | Malformed] | None = drain(whole)
    except TooLong:
        expected = None
    found: list[Line | Malformed] = []
    try:
        for start in range(0, len(data), step):
            cut.feed(data[start : start + step])
            found += drain(cut)
    except TooLong:
        assert expected is None
        return
    assert expected is None or found == expected
    assert all(each.words for each in found if isinstance(each, Line))


def packed(word: str) -> bytes:
    """A word as the old clients send it."""
    if "\n" in word:
        octets = word.encode()
        return b"{%d+}\r\n%s" % (len(octets), octets)
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    quote = not word or escaped != word or any(char.isspace() or char in "()" for char in word)
    return (f'"{escaped}"' if quote else word).encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(SAFE_TEXT, min_size=1, max_size=6))
def test_what_a_client_packs_arrives_as_it_was(words: list[str]) -> None:
    words = [word for word in words if "\r" not in word or "\n" in word] or ["X"]
    if words[-1].startswith("{") and words[-1].endswith("+}"):
        words.append("X")
    parser = AdminLineParser(1 << 20)
    parser.feed(b" ".join([b"9", *(packed(word) for word in words)]) + b"\r\n")
    assert drain(parser) == [Line("9", tuple(words))]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(SAFE_TEXT, st.integers(), st.booleans(), st.none()), min_size=1, max_size=6))
def test_a_data_line_never_breaks_out_of_its_line(fields: list[str | int | bool | None]) -> None:
    line = data_line("9", fields)
    head, _, tail = line.partition(b"\r\n")
    assert head.startswith(b"* 9 ")
    assert b"\n" not in head
    assert b"\r" not in head
    if tail:
        size = int(head.rpartition(b"{")[2].rstrip(b"}"))
        assert tail[size:] == b"\r\n"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_on_the_control_socket_is_refused_and_nothing_else_happens(data: bytes) -> None:
    for decode in (decode_request, decode_answer):
        frames = FrameReader(1000)
        try:
            frames.feed(data)
            while (body := frames.next()) is not None:
                decode(body)
        except FrameError:
            pass
