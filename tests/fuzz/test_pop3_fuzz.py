"""Whatever comes in, the POP3 core answers with POP3, and does not care how the octets are cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.pop3.server import PopConfig
from support.pop_dialogue import PopDriver

CONFIG = PopConfig("pop.example", mechanisms=("PLAIN",), stls=True, max_errors=10_000)
MESSAGES = [b"Subject: x\r\n\r\nbody\r\n", b""]
WORDS = [
    b"USER jane\r\n",
    b"PASS secret\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH PLAIN cmlnaHQ=\r\n",
    b"cmlnaHQ=\r\n",
    b"*\r\n",
    b"STLS\r\n",
    b"UTF8\r\n",
    b"CAPA\r\n",
    b"LANG\r\n",
    b"STAT\r\n",
    b"LIST\r\n",
    b"LIST ",
    b"UIDL ",
    b"RETR ",
    b"TOP ",
    b"DELE ",
    b"1",
    b"2",
    b" 3",
    b"\r\n",
    b"\n",
    b"\r",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n",
    b"\0",
    b"\xff",
    b"x" * 1500,
]
STREAM = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(STREAM)
def test_every_event_has_its_answer(stream: list[bytes]) -> None:
    driver = PopDriver(CONFIG, MESSAGES)
    for piece in stream:
        before = len(driver.events)
        answer = driver.feed(piece)
        assert answer.count(b"+OK") + answer.count(b"-ERR") + answer.count(b"+ ") >= len(driver.events) - before
        assert not answer or (answer.startswith((b"+OK", b"-ERR", b"+ ")) and answer.endswith(b"\r\n"))


@settings(max_examples=200, deadline=None)
@given(STREAM, st.integers(1, 40))
def test_cutting_changes_nothing(stream: list[bytes], size: int) -> None:
    wire = b"".join(piece for piece in stream if not piece.startswith((b"STLS", b"x")))
    whole, pieces = PopDriver(CONFIG, MESSAGES), PopDriver(CONFIG, MESSAGES)
    out = whole.feed(wire)
    assert b"".join(pieces.feed(wire[at : at + size]) for at in range(0, len(wire), size)) == out
    assert pieces.events == whole.events
