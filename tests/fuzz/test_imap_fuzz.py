"""Strangers' octets against IMAP's core: nothing raises, nothing grows, and how the stream is cut makes no difference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.imap.core import Event, ImapCore, Limits
from posthouse.protocols.imap.events import BadCommand

LIMITS = Limits(line_bytes=2000, append_bytes=4000, literal_bytes=1000, login_bytes=500, literals=8, skip_bytes=3000)
_ATOMS = rb"""a1 b2 * + NOOP LOGIN UID FETCH STORE SEARCH APPEND LIST SELECT STATUS IDLE DONE AUTHENTICATE ID ENABLE COPY CREATE
    INBOX "" "x {3} {3+} ~{5+} {0+} {99999} {99999+} ( ) [ ] < > 1:* 0 $ 1,2:3 4294967296 (FLAGS) BODY[ BODY.PEEK[HEADER.FIELDS
    <0.5> RETURN (ALL) CHARSET UTF-8 OR NOT ALL SINCE 1-Feb-2026 \Seen +FLAGS.SILENT (\Seen) &AOk- &A % ~{2}"""
_OCTETS = (b"\r\n", b"\n", b"\r", b" ", b"\x00", b"\xff", "é".encode(), b"\\", b"x" * 600)
WORDS = st.sampled_from([*_ATOMS.split(), *_OCTETS])
PIECES = st.lists(st.one_of(WORDS, st.just(b" "), st.just(b"\r\n"), st.binary(max_size=6)), max_size=40)
STREAMS = PIECES.map(lambda pieces: b" ".join(pieces) + b"\r\n")
COMMANDS = [
    b'a LOGIN {4+}\r\njane "secret"\r\n',
    b"a LOGIN {4}\r\njane {6}\r\nsecret\r\nb NOOP\r\n",
    b'a APPEND INBOX (\\Seen) "17-Jul-1996 02:44:25 -0700" {12+}\r\nx\r\n{5}\r\nyzz {3}\r\nabc\r\n',
    b"a UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (From {2+}\r\nTo)])\r\n"
    b"b UID SEARCH OR SEEN (BODY {3+}\r\n\r\n) NOT ALL)\r\n",
    b"a NONSENSE {5+}\r\nhello\r\nb FETCH\r\n\r\nc NOOP\r\n",
    b"a SEARCH BODY {1001+}\r\n" + b"\n" * 1001 + b" {2+}\r\nxx ALL\r\nb NOOP\r\n",
    b"a SEARCH BODY " + b"x" * 2100 + b" {3+}\r\nabc\r\nb NOOP\r\n",
]


def run(chunks: Sequence[bytes], *, authenticated: bool = True, every_line: bool = False) -> list[Event]:
    core = ImapCore(LIMITS)
    core.authenticated = authenticated
    out: list[Event] = []
    for chunk in chunks:
        core.receive(chunk)
        while (event := core.next_command()) is not None:
            out.append(event)
            if every_line:
                core.expect_line()
        held = sum(map(len, core._fragments)) + sum(map(len, core._literals)) + len(core._partial) + len(core._literal)
        assert held <= LIMITS.line_bytes + LIMITS.append_bytes + 2000
    return out


@given(stream=STREAMS, authenticated=st.booleans(), every_line=st.booleans())
@settings(max_examples=300, deadline=None)
def test_arbitrary_octets_never_raise(*, stream: bytes, authenticated: bool, every_line: bool) -> None:
    run([stream], authenticated=authenticated, every_line=every_line)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_arbitrary_arguments_never_raise(rest: bytes) -> None:
    for name in (b"FETCH 1 ", b"SEARCH ", b"LIST ", b"APPEND x ", b"STORE 1 ", b"UID FETCH 1 BODY[", b"SELECT ", b"ID "):
        run([b"a " + name + rest + b"\r\n"])


@given(STREAMS, st.lists(st.integers(0, 4000), max_size=8))
@settings(max_examples=300, deadline=None)
def test_how_a_stream_is_cut_makes_no_difference(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(places)]
    assert run(chunks) == run([stream])


@pytest.mark.parametrize("stream", COMMANDS)
def test_a_cut_at_any_octet_makes_no_difference(stream: bytes) -> None:
    whole = run([stream])
    assert whole
    for place in range(len(stream)):
        assert run([stream[:place], stream[place:]]) == whole
    assert run([stream[place : place + 1] for place in range(len(stream))]) == whole


@pytest.mark.parametrize(
    "line",
    [
        b"a SEARCH " + b"(" * 60_000,
        b"a SEARCH " + b"NOT " * 15_000,
        b"a SEARCH " + b"OR " * 20_000,
        b"a SEARCH " + b"ALL " * 16_000,
        b"a FETCH " + b"1," * 32_000 + b"1 FLAGS",
        b"a FETCH 1 (" + b"FLAGS " * 10_000 + b")",
        b'a LOGIN x "' + b'\\"' * 32_000,
        b"a LOGIN x " + b" " * 64_000 + b"y z",
        b"a ENABLE " + b"X " * 32_000,
        b"a FETCH 1 BODY[" + b"1." * 32_000,
        b"a SELECT " + b"&A-" * 20_000,
        b"a STORE 1 FLAGS " + b"x " * 30_000,
        b'a LIST "" (' + b"% " * 30_000 + b")",
    ],
)
def test_the_worst_lines_cost_little(line: bytes) -> None:
    core = ImapCore(Limits())
    core.authenticated = True
    started = time.process_time()
    core.receive(line + b"\r\n")
    event = core.next_command()
    assert event is not None
    assert time.process_time() - started < 0.5


def test_a_message_in_the_smallest_pieces_takes_linear_time_and_memory() -> None:
    core = ImapCore(Limits())
    core.authenticated = True
    core.receive(b"a APPEND INBOX {400000+}\r\n")
    assert core.next_command() is None
    started = time.process_time()
    for _ in range(200_000):
        core.receive(b"xy")
        core.next_command()
    assert time.process_time() - started < 5
    core.receive(b"\r\n")
    assert not isinstance(core.next_command(), BadCommand)
