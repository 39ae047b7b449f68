"""The core: cutting the stream into commands, literals with and without waiting, limits."""

from __future__ import annotations

import pytest

from posthouse.protocols.imap import commands as c
from posthouse.protocols.imap.core import Event, ImapCore, Limits
from posthouse.protocols.imap.events import BadCommand, Line, NeedContinuation

LIMITS = Limits(line_bytes=1000, append_bytes=5000, literal_bytes=300, login_bytes=100, literals=4, skip_bytes=2000)


@pytest.fixture
def core() -> ImapCore:
    core = ImapCore(LIMITS)
    core.authenticated = True
    return core


def feed(core: ImapCore, data: bytes) -> list[Event]:
    core.receive(data)
    out: list[Event] = []
    while (event := core.next_command()) is not None:
        out.append(event)
    return out


def test_pipelined_commands_come_one_at_a_time_in_order(core: ImapCore) -> None:
    core.receive(b"a NOOP\r\nb CHECK\r\nc LOG")
    assert core.next_command() == c.Noop(b"a")
    assert core.next_command() == c.Check(b"b")
    assert core.next_command() is None
    core.receive(b"OUT\r\n")
    assert core.next_command() == c.Logout(b"c")


def test_octets_received_before_the_last_were_used_up_are_kept(core: ImapCore) -> None:
    core.receive(b"a NOOP\r\nb NO")
    core.receive(b"OP\r\n")
    assert [core.next_command(), core.next_command()] == [c.Noop(b"a"), c.Noop(b"b")]


def test_a_bare_line_feed_ends_a_line_and_empty_lines_are_nothing(core: ImapCore) -> None:
    assert feed(core, b"\r\n\na NOOP\n\r\n") == [c.Noop(b"a")]


def test_a_synchronising_literal_is_waited_for(core: ImapCore) -> None:
    assert feed(core, b"a LOGIN {4}\r\n") == [NeedContinuation()]
    assert feed(core, b"jane {6}\r\n") == [NeedContinuation()]
    assert feed(core, b"secret\r\n") == [c.Login(b"a", "jane", "secret")]


def test_a_literal_that_does_not_wait_comes_in_one_go(core: ImapCore) -> None:
    assert feed(core, b"a LOGIN {4+}\r\njane {0+}\r\n\r\n") == [c.Login(b"a", "jane", "")]


def test_a_literal_may_hold_line_ends_and_look_like_anything(core: ImapCore) -> None:
    content = b"x\r\nb NOOP\r\n{5}\r\n"
    command = b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(content), content)
    assert feed(core, command) == [c.Append(b"a", "INBOX", (c.AppendMessage(content),))]


def test_a_literal_arrives_in_small_pieces(core: ImapCore) -> None:
    content = bytes(range(1, 251)) * 10
    assert feed(core, b"a APPEND INBOX ~{2500}\r\n") == [NeedContinuation()]
    for place in range(0, 2500, 7):
        assert feed(core, content[place : place + 7]) == []
    assert feed(core, b"\r\n") == [c.Append(b"a", "INBOX", (c.AppendMessage(content, binary=True),))]


def test_a_malformed_command_is_answered_and_the_next_one_understood(core: ImapCore) -> None:
    assert feed(core, b"a FETCH\r\nb NOOP\r\n") == [BadCommand(b"a", "Missing argument"), c.Noop(b"b")]


def test_a_line_without_tag_is_answered_untagged(core: ImapCore) -> None:
    assert feed(core, b"\xff\xfe\r\n") == [BadCommand(b"*", "Tag is missing")]


def test_a_number_in_braces_within_a_line_is_no_literal(core: ImapCore) -> None:
    assert feed(core, b'a LOGIN "x{5}" y\r\n') == [c.Login(b"a", "x{5}", "y")]


def test_a_waiting_client_is_refused_without_its_literal(core: ImapCore) -> None:
    refused = BadCommand(b"a", "Literal is too large", "NO", "TOOBIG")
    assert feed(core, b"a APPEND INBOX {5001}\r\n") == [refused]
    assert feed(core, b"b NOOP\r\n") == [c.Noop(b"b")]
    assert feed(core, b"a APPEND INBOX {99999999999999999999999999}\r\n") == [refused]


def test_messages_of_one_append_share_the_limit(core: ImapCore) -> None:
    assert feed(core, b"a APPEND INBOX {3000+}\r\n" + b"x" * 3000 + b" {2001}\r\n") == [
        BadCommand(b"a", "Literal is too large", "NO", "TOOBIG")
    ]


def test_an_unknown_command_gets_no_literal(core: ImapCore) -> None:
    assert feed(core, b"a NONSENSE {5}\r\nb NOOP\r\n") == [BadCommand(b"a", "Unknown command"), c.Noop(b"b")]


def test_a_large_literal_that_does_not_wait_is_skipped(core: ImapCore) -> None:
    refused = BadCommand(b"a", "Literal is too large", "BAD", "TOOBIG")
    assert feed(core, b"a LOGIN {301+}\r\n" + b"\n" * 301 + b" {2+}\r\nhi\r\nb NOOP\r\n") == [refused, c.Noop(b"b")]


def test_a_user_s_message_too_large_by_less_than_the_limit_is_skipped(core: ImapCore) -> None:
    command = b"a APPEND INBOX {3000+}\r\n" + b"x" * 3000 + b" {4000+}\r\n" + b"x" * 4000 + b"\r\nb NOOP\r\n"
    got = [event for place in range(0, len(command), 1500) for event in feed(core, command[place : place + 1500])]
    assert got == [BadCommand(b"a", "Literal is too large", "NO", "TOOBIG"), c.Noop(b"b")]


def test_skipping_ends_where_the_client_waits(core: ImapCore) -> None:
    refused = BadCommand(b"a", "Literal is too large", "BAD", "TOOBIG")
    assert feed(core, b"a LOGIN {301+}\r\n" + b"x" * 301 + b" {2}\r\nb NOOP\r\n") == [refused, c.Noop(b"b")]


def test_a_literal_too_large_to_skip_is_fatal(core: ImapCore) -> None:
    assert feed(core, b"a LOGIN {2001+}\r\nx") == [BadCommand(b"a", "Literal is too large", "BAD", "TOOBIG", fatal=True)]
    assert feed(core, b"b NOOP\r\n") == []


def test_too_many_literals_are_refused(core: ImapCore) -> None:
    command = b"a SEARCH" + b" BODY {1+}\r\nx" * 4 + b" BODY {1}\r\n"
    assert feed(core, command) == [BadCommand(b"a", "Too many literals", "BAD", "LIMIT")]


def test_literals_of_one_command_share_the_limit(core: ImapCore) -> None:
    command = b"a SEARCH BODY {200+}\r\n" + b"x" * 200 + b" BODY {101}\r\n"
    assert feed(core, command) == [BadCommand(b"a", "Literal is too large", "BAD", "TOOBIG")]


def test_a_line_too_long_is_refused_whether_it_comes_whole_or_in_pieces(core: ImapCore) -> None:
    refused = BadCommand(b"a", "Command line is too long", "BAD", "TOOBIG")
    line = b"a SEARCH BODY " + b"x" * 1000 + b"\r\n"
    assert feed(core, line + b"b NOOP\r\n") == [refused, c.Noop(b"b")]
    got = [event for place in range(0, len(line), 100) for event in feed(core, line[place : place + 100])]
    assert got == [refused]


def test_the_literal_at_the_end_of_a_line_too_long_is_skipped_too(core: ImapCore) -> None:
    refused = BadCommand(b"a", "Command line is too long", "BAD", "TOOBIG")
    line = b"a SEARCH BODY " + b"x" * 1200 + b" {7+}\r\nx NOOP\r\n\r\nb NOOP\r\n"
    got = [event for place in range(0, len(line), 50) for event in feed(core, line[place : place + 50])]
    assert got == [refused, c.Noop(b"b")]


def test_an_endless_line_is_fatal_and_nothing_of_it_is_kept(core: ImapCore) -> None:
    got: list[Event] = []
    for _ in range(100):
        got += feed(core, b"a" * 100)
    assert got == [BadCommand(b"*", "Command line is too long", "BAD", "TOOBIG", fatal=True)]
    assert core.clear() == b""


def test_before_login_less_is_accepted() -> None:
    core = ImapCore(LIMITS)
    assert feed(core, b"a APPEND INBOX {101}\r\n") == [BadCommand(b"a", "Literal is too large", "BAD", "TOOBIG")]
    assert feed(core, b"a LOGIN x " + b"y" * 100 + b"\r\n") == [BadCommand(b"a", "Command line is too long", "BAD", "TOOBIG")]
    core.authenticated = True
    assert feed(core, b"a APPEND INBOX {101}\r\n") == [NeedContinuation()]


def test_the_line_of_idle_and_authenticate_is_not_a_command(core: ImapCore) -> None:
    core.receive(b"a IDLE\r\nDONE\r\nb NOOP\r\n")
    assert core.next_command() == c.Idle(b"a")
    core.expect_line()
    assert core.next_command() == Line(b"DONE")
    assert core.next_command() == c.Noop(b"b")


def test_an_expected_line_that_looks_like_a_literal_is_a_line(core: ImapCore) -> None:
    core.expect_line()
    assert feed(core, b"x {5}\r\n") == [Line(b"x {5}")]


def test_an_expected_line_too_long_is_fatal(core: ImapCore) -> None:
    core.expect_line()
    assert feed(core, b"A" * 1001 + b"\r\nb NOOP\r\n") == [BadCommand(b"*", "Line is too long", fatal=True)]


def test_starttls_leaves_nothing_behind(core: ImapCore) -> None:
    core.receive(b"a STARTTLS\r\nb LOGIN x y\r\nc")
    assert core.next_command() == c.StartTls(b"a")
    assert core.clear() == b"b LOGIN x y\r\nc"
    assert core.next_command() is None


def test_utf8_names_follow_the_session(core: ImapCore) -> None:
    assert feed(core, b"a SELECT &AOk-\r\n") == [c.Select(b"a", "é")]
    core.utf8 = True
    assert feed(core, b"a SELECT &AOk-\r\n") == [c.Select(b"a", "&AOk-")]


def test_a_message_that_is_let_go_of_is_skipped_and_refused_at_its_end(core: ImapCore) -> None:
    assert feed(core, b"a APPEND INBOX {4000+}\r\n" + b"x" * 3000) == []
    assert core.held_bytes == 3000
    core.refuse_literals()
    assert core.held_bytes == 0
    assert feed(core, b"x" * 999) == []
    assert core.held_bytes == 0
    [refused, noop] = feed(core, b"x\r\nb NOOP\r\n")
    assert isinstance(refused, BadCommand)
    assert (refused.tag, refused.status, refused.code, refused.fatal) == (b"a", "NO", "UNAVAILABLE", False)
    assert noop == c.Noop(b"b")


def test_a_message_for_which_there_is_no_room_is_refused_when_it_is_announced(core: ImapCore) -> None:
    core.room_bytes = 100
    [refused] = feed(core, b"a APPEND INBOX {101}\r\n")
    assert isinstance(refused, BadCommand) and refused.code == "UNAVAILABLE"
    assert feed(core, b"b APPEND INBOX {100}\r\n") == [NeedContinuation()]


def test_only_messages_are_let_go_of(core: ImapCore) -> None:
    assert feed(core, b"a LOGIN jane {100+}\r\n") == []
    core.refuse_literals()
    assert feed(core, b"x" * 100 + b"\r\n") == [c.Login(b"a", "jane", "x" * 100)]
