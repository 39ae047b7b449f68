"""How messages come in: the end of data, smuggling, dots, sizes, chunks, and what is held in memory meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.verdict import Reply
from posthouse.protocols.dots import has_bare_newline, stuff, unstuff, with_crlf
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.data import BareNewlines, longest_line_exceeds
from posthouse.protocols.smtp.server import ServerCore, State
from support.smtp_dialogue import SmtpDriver, refusing

HELLO = b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
BINARY = HELLO.replace(b"<a@b.example>", b"<a@b.example> BODY=BINARYMIME")
SMALL = ServerConfig("mx.example", max_message_bytes=1000, max_text_line=200)
MAX = 1000


def after_data(data: bytes, config: ServerConfig | None = None) -> SmtpDriver:
    driver = SmtpDriver(config)
    driver.feed(HELLO + b"DATA\r\n")
    driver.feed(data)
    return driver


def last_reply(driver: SmtpDriver) -> bytes:
    return driver.out.splitlines()[-1]


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b".\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        (b"a. \r\n.\r\n", b"a. \r\n"),
    ],
)
def test_dots_are_undone(wire: bytes, content: bytes) -> None:
    assert after_data(wire).messages == [content]


SMUGGLING = [
    b"\n.\n",
    b"\r\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\n.\r",
]


@pytest.mark.parametrize("marker", SMUGGLING)
@pytest.mark.parametrize("mode", ["refuse", "normalise"])
def test_no_other_end_of_data_lets_a_second_message_through(marker: bytes, mode: str) -> None:
    """SMTP smuggling (2023): anything but CRLF.CRLF is part of the message, and never the end of it."""
    smuggled = b"x" + marker + b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nevil\r\n.\r\n"
    config = ServerConfig("mx.example", bare_newline="refuse" if mode == "refuse" else "normalise")
    driver = after_data(smuggled, config)
    senders = [str(event.sender) for event in driver.events if isinstance(event, ev.MailFrom)]
    assert senders == ["a@b.example"]
    bare = has_bare_newline(smuggled)
    if mode == "refuse" and bare:
        assert driver.messages == []
        assert last_reply(driver).startswith(b"550 5.6.0")
    else:
        assert len(driver.messages) == 1
        assert not has_bare_newline(driver.messages[0])
        assert b"MAIL FROM:<evil@b.example>\r\n" in driver.messages[0]


def test_normalised_messages_say_so() -> None:
    driver = after_data(b"a\nb\rc\r\n\0\r\n.\r\n", ServerConfig("mx.example", bare_newline="normalise"))
    event = driver.events[-1]
    assert isinstance(event, ev.MessageComplete)
    assert event.content == b"a\r\nb\r\nc\r\n\0\r\n"
    assert event.problems == ("bare newlines normalised", "NUL octets")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b".", b"\r", b"\n", b"a", b"\r\n.\r\n"]), max_size=30).map(b"".join), st.data())
def test_cutting_the_data_anywhere_changes_nothing(body: bytes, data: st.DataObject) -> None:
    wire = HELLO + b"DATA\r\n" + body + b"\r\n.\r\nNOOP\r\n"
    whole = SmtpDriver()
    whole.feed(wire)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    pieces = SmtpDriver()
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        pieces.feed(wire[start:end])
    assert pieces.events == whole.events
    assert pieces.out == whole.out


def test_a_dialogue_cut_at_every_octet_gives_the_same_events() -> None:
    wire = (
        HELLO
        + b"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nd\n"
    )
    wire = wire.replace(b"d\n", b"\r\n") + b"FOO\r\nQUIT\r\n"
    whole = SmtpDriver()
    whole.feed(wire)
    assert len(whole.messages) == 2
    for cut in range(len(wire)):
        driver = SmtpDriver()
        driver.feed(wire[:cut])
        driver.feed(wire[cut:])
        assert driver.events == whole.events
    single = SmtpDriver()
    for at in range(len(wire)):
        single.feed(wire[at : at + 1])
    assert single.events == whole.events


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b".", b"a", b"b\r\n", b".\r\n"]), max_size=30).map(b"".join))
def test_stuffing_survives_the_way_through_a_server(content: bytes) -> None:
    content += b"\r\n"
    assert after_data(stuff(content) + b".\r\n").messages == [content]
    assert unstuff(stuff(content)) == content


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"ab"]), max_size=12), st.integers(0, 5))
def test_bare_newlines_are_found_however_the_octets_are_cut(pieces: list[bytes], size: int) -> None:
    whole = b"".join(pieces)
    scanner = BareNewlines()
    for at in range(0, len(whole), size or len(whole) + 1):
        scanner.scan(whole[at : at + (size or len(whole))])
    rest = whole.replace(b"\r\n", b"")
    assert scanner.finish() == has_bare_newline(whole) == (b"\r" in rest or b"\n" in rest)
    assert not has_bare_newline(with_crlf(whole))


def test_a_message_of_the_largest_size_is_taken_although_its_dots_were_doubled() -> None:
    content = b".\r\n" * 332 + b"ab\r\n"
    assert len(content) == MAX
    assert after_data(stuff(content) + b".\r\n", SMALL).messages == [content]


def test_one_octet_more_is_refused_at_the_end() -> None:
    driver = after_data((b"a" * 98 + b"\r\n") * 10 + b"\r\n.\r\n", SMALL)
    assert last_reply(driver).startswith(b"552 5.3.4")
    assert driver.feed(b"MAIL FROM:<>\r\n").startswith(b"250")


def test_past_the_limit_nothing_is_kept_and_far_past_it_the_connection_ends() -> None:
    driver = after_data(b"", SMALL)
    for _ in range(20):
        driver.feed(b"a" * 98 + b"\r\n")
    assert driver.core.held_bytes == 0
    assert driver.core.receiving
    for _ in range(30):
        driver.feed(b"a" * 98 + b"\r\n")
    assert driver.core.closed
    assert last_reply(driver).startswith(b"552 5.3.4")


def test_a_message_in_tiny_pieces_takes_no_more_than_its_size() -> None:
    driver = after_data(b"")
    for _ in range(50_000):
        driver.feed(b"a\r\n")
    assert driver.core.held_bytes == 150_000
    driver.feed(b".\r\n")
    assert driver.messages == [b"a\r\n" * 50_000]
    assert driver.core.held_bytes == 0


def test_large_pieces_and_tiny_ones_mix() -> None:
    driver = after_data(b"")
    expected = b""
    for size in (1, 70_000, 3, 20_000, 100, 200_000, 7):
        line = b"x" * size + b"\r\n"
        expected += line
        driver.feed(line)
    driver.feed(b".\r")
    driver.feed(b"\n")
    assert driver.messages == []  # the line of 200,000 octets is too long
    assert last_reply(driver).startswith(b"500 5.6.0")
    driver = after_data(expected, ServerConfig("mx.example", max_text_line=1 << 20))
    driver.feed(b".\r\n")
    assert driver.messages == [expected]


def test_the_longest_line() -> None:
    assert not longest_line_exceeds(b"a" * 98 + b"\r\n" + b"b" * 98 + b"\r\n", 100)
    assert longest_line_exceeds(b"a" * 98 + b"\r\n" + b"b" * 99 + b"\r\n", 100)
    assert longest_line_exceeds(b"a" * 101, 100)
    assert not longest_line_exceeds(b"", 100)


def test_the_driver_can_let_go_of_a_message_that_is_coming_in() -> None:
    driver = after_data(b"x" * 5000)
    assert driver.core.held_bytes == 5000
    driver.core.refuse_data(Reply(452, "4.3.1", "No room"))
    assert driver.core.held_bytes == 0
    assert driver.feed(b"y" * 5000) == b""
    assert driver.feed(b"\r\n.\r\nNOOP\r\n").splitlines() == [b"452 4.3.1 No room", b"250 2.0.0 OK"]


def test_an_lmtp_message_that_is_refused_gets_a_reply_for_each_recipient() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", service="lmtp"))
    driver.feed(HELLO.replace(b"EHLO", b"LHLO") + b"RCPT TO:<e@d.example>\r\nDATA\r\n")
    assert driver.feed(b"bare\nnewline\r\n.\r\n").count(b"550 5.6.0") == 2


# BDAT


def test_chunks_give_the_same_message_as_data() -> None:
    content = b"Subject: x\r\n\r\n.dot\r\n.\r\n"
    driver = SmtpDriver()
    answer = driver.feed(
        HELLO + b"BDAT 5\r\n" + content[:5] + b"BDAT %d LAST\r\n" % (len(content) - 5) + content[5:] + b"NOOP\r\n"
    )
    assert driver.messages == after_data(stuff(content) + b".\r\n").messages == [content]
    assert [line[:9] for line in answer.splitlines()[-3:]] == [b"250 2.0.0", b"250 2.6.0", b"250 2.0.0"]


def test_an_empty_last_chunk_ends_the_message() -> None:
    driver = SmtpDriver()
    driver.feed(HELLO + b"BDAT 3\r\nabcBDAT 0 LAST\r\n")
    assert driver.messages == [b"abc"]


def test_binary_content_needs_bdat() -> None:
    driver = SmtpDriver()
    driver.feed(BINARY)
    assert driver.feed(b"DATA\r\n").startswith(b"503 5.5.1")
    driver.feed(b"BDAT 6 LAST\r\na\nb\r\0c")
    assert driver.messages == [b"a\nb\r\0c"]


def test_bare_newlines_in_chunks_are_refused_when_not_declared_binary() -> None:
    driver = SmtpDriver()
    driver.feed(HELLO + b"BDAT 3 LAST\r\na\nb")
    assert driver.messages == []
    assert last_reply(driver).startswith(b"550 5.6.0")


def test_between_chunks_only_harmless_commands_are_taken() -> None:
    driver = SmtpDriver()
    driver.feed(HELLO + b"BDAT 3\r\nabc")
    for command in (b"DATA", b"MAIL FROM:<>", b"RCPT TO:<c@d.example>", b"AUTH PLAIN", b"STARTTLS"):
        assert driver.feed(command + b"\r\n").startswith(b"503 5.5.1"), command
    assert driver.feed(b"NOOP\r\n").startswith(b"250")
    assert driver.feed(b"RSET\r\n").startswith(b"250")
    assert driver.feed(b"BDAT 3\r\nabc").startswith(b"503 5.5.1")
    assert driver.core.held_bytes == 0


def test_chunks_for_refused_recipients_are_swallowed() -> None:
    driver = SmtpDriver(policy=refusing("c@d.example"))
    answer = driver.feed(HELLO + b"BDAT 6 LAST\r\nRSET\r\nNOOP\r\n")
    assert [line[:9] for line in answer.splitlines()[-2:]] == [b"554 5.5.1", b"250 2.0.0"]
    assert not any(isinstance(event, ev.Rset) for event in driver.events)


def test_a_chunk_that_the_driver_refuses_is_swallowed_before_the_reply() -> None:
    def policy(core: ServerCore, event: ev.Event) -> bytes | None:
        return core.reply(Reply(452, "4.3.1", "No room")) if isinstance(event, ev.DataStart) else None

    driver = SmtpDriver(policy=policy)
    driver.feed(HELLO)
    assert driver.feed(b"BDAT 6\r\nRS") == b""
    assert driver.feed(b"ET\r\n") == b"452 4.3.1 No room\r\n"
    errors = driver.core.errors
    assert driver.feed(b"BDAT 1\r\naBDAT 1 LAST\r\nb").count(b"503 5.5.1") == 2
    assert driver.core.errors == errors


def test_chunks_past_the_size_limit() -> None:
    driver = SmtpDriver(SMALL)
    driver.feed(HELLO)
    chunk = b"BDAT 700\r\n" + b"x" * 700
    assert driver.feed(chunk).startswith(b"250")
    assert driver.feed(chunk).startswith(b"552 5.3.4")
    assert driver.core.state is State.READY
    assert driver.feed(b"BDAT 999999999\r\n").startswith(b"552 5.3.4")
    assert driver.core.closed


@pytest.mark.parametrize("command", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 FIRST", b"BDAT 9999999999999"])
def test_a_malformed_bdat_ends_the_connection_because_its_octets_cannot_be_told_from_commands(command: bytes) -> None:
    driver = SmtpDriver()
    driver.feed(HELLO)
    assert driver.feed(command + b"\r\nRSET\r\n").startswith(b"501 5.5.4")
    assert driver.core.closed


def test_bdat_where_it_is_not_offered() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", chunking=False))
    assert b"CHUNKING" not in driver.feed(HELLO)
    assert driver.feed(b"BDAT 6\r\nRSET\r\nNOOP\r\n").splitlines()[0].startswith(b"502 5.5.1")
    assert driver.feed(b"RSET\r\nMAIL FROM:<> BODY=BINARYMIME\r\n").splitlines()[1].startswith(b"555 5.5.4")


# Lines


def test_a_long_line_is_refused_at_once_and_swallowed() -> None:
    driver = SmtpDriver()
    assert driver.feed(b"NOOP " + b"x" * 3000).startswith(b"500 5.5.2 Line too long")
    assert driver.core.held_bytes == 0
    assert driver.feed(b"x" * 3000 + b"\r\nNOOP\r\n") == b"250 2.0.0 OK\r\n"


def test_a_line_of_100_megabytes_is_cut_off_cheaply() -> None:
    driver = SmtpDriver()
    block = b"x" * 65_536
    blocks = 0
    while not driver.core.closed and blocks < 1600:
        driver.feed(block)
        assert driver.core.held_bytes <= len(block)
        blocks += 1
    assert blocks < 32
    assert [line[:3] for line in driver.out.splitlines()] == [b"500", b"421"]
