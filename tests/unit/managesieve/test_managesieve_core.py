"""The ManageSieve core: words, commands, states, limits (RFC 5804)."""

from __future__ import annotations

import base64

import pytest

from posthouse.protocols.managesieve import commands as cmd
from posthouse.protocols.managesieve import responses
from posthouse.protocols.managesieve.core import MAX_ERRORS, Event, ManageSieveCore, Refusal


def core(*, logged_in: bool = True) -> ManageSieveCore:
    made = ManageSieveCore(1000)
    if logged_in:
        made.logged_in()
    return made


def events(octets: bytes, made: ManageSieveCore | None = None) -> list[Event]:
    made = made or core()
    made.receive(octets)
    found = []
    while (event := made.next_event()) is not None:
        found.append(event)
    return found


COMMANDS = [
    (b"CAPABILITY\r\n", cmd.Capability()),
    (b"logout\r\n", cmd.Logout()),
    (b"NOOP\n", cmd.Noop(None)),
    (b'NOOP "tag \\"x\\""\r\n', cmd.Noop(b'tag "x"')),
    (b"LISTSCRIPTS  \r\n", cmd.ListScripts()),
    (b'HAVESPACE "a" 999\r\n', cmd.HaveSpace("a", 999)),
    (b'PUTSCRIPT "a" {5+}\r\nkeep;\r\n', cmd.PutScript("a", "keep;")),
    (b'PUTSCRIPT {3+}\r\na b {5}\r\nkeep;\r\n', cmd.PutScript("a b", "keep;")),
    (b'PUTSCRIPT "a" {0+}\r\n\r\n', cmd.PutScript("a", "")),
    (b'PUTSCRIPT "a" "keep;"\r\n', cmd.PutScript("a", "keep;")),
    (b'CHECKSCRIPT {7+}\r\nkeep;\r\n\r\n', cmd.CheckScript("keep;\r\n")),
    ('GETSCRIPT "Ä"\r\n'.encode(), cmd.GetScript("Ä")),
    (b'SETACTIVE ""\r\n', cmd.SetActive("")),
    (b'DELETESCRIPT "a"\r\n', cmd.DeleteScript("a")),
    (b'RENAMESCRIPT "a" "b"\r\n', cmd.RenameScript("a", "b")),
    (b"UNAUTHENTICATE\r\n", cmd.Unauthenticate()),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "expected"), COMMANDS, ids=[repr(octets[:40]) for octets, _ in COMMANDS])
def test_a_command_is_read_whole_or_octet_by_octet(octets: bytes, expected: cmd.Command) -> None:
    assert events(octets) == [expected]
    made, found = core(), []
    for octet in octets:
        found += events(bytes([octet]), made)
    assert found == [expected]
    assert events(octets * 3) == [expected] * 3


REFUSED = [
    (b"NONSENSE\r\n", b'NO "There is no such command"'),
    (b'"NOOP"\r\n', b"NO"),
    (b'GETSCRIPT\r\n', b'NO "GETSCRIPT takes 1 arguments"'),
    (b'GETSCRIPT "a" "b"\r\n', b"NO"),
    (b"GETSCRIPT a\r\n", b'NO "A name must be a string"'),
    (b'GETSCRIPT "a\r\n', b"NO"),
    (b'GETSCRIPT "\xff"\r\n', b'NO "A name is not UTF-8"'),
    (b'GETSCRIPT "' + b"x" * 1025 + b'"\r\n', b"NO"),
    (b'HAVESPACE "a" "9"\r\n', b'NO "A number is missing"'),
    (b'HAVESPACE "a" 99999999999\r\n', b"NO"),
    (b'PUTSCRIPT "a" {1001+}\r\n' + b"x" * 1001 + b"\r\n", b'NO (QUOTA/MAXSIZE) "The script is too large"'),
    (b'PUTSCRIPT "a"{5+}\r\nkeep;\r\n', b"NO"),
    (b'AUTHENTICATE "PLAIN"\r\n', b'NO "Already authenticated"'),
    (b"STARTTLS\r\n", b"NO"),
    (b"NOOP " + b'"a" ' * 12 + b"\r\n", b'NO "Too many words"'),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "answer"), REFUSED, ids=[repr(octets[:40]) for octets, _ in REFUSED])
def test_what_is_wrong_is_refused_and_the_next_command_is_read(octets: bytes, answer: bytes) -> None:
    made = core()
    first, *rest = events(octets + b"NOOP\r\n", made)
    assert isinstance(first, Refusal)
    assert first.octets.startswith(answer), first.octets
    assert not first.closes
    assert rest[-1] == cmd.Noop(None)


def test_before_login_there_is_little_to_do() -> None:
    made = core(logged_in=False)
    for command in (b"LISTSCRIPTS\r\n", b'GETSCRIPT "a"\r\n', b"UNAUTHENTICATE\r\n"):
        assert events(command, made) == [Refusal(b'NO "Authenticate first"\r\n')]
    assert events(b"CAPABILITY\r\n", made) == [cmd.Capability()]
    assert events(b"STARTTLS\r\n", made) == [cmd.StartTls()]
    (refused,) = events(b"CHECKSCRIPT {9000+}\r\n" + b"x" * 9000 + b"\r\n", made)
    assert isinstance(refused, Refusal)


def test_a_login_is_read_with_and_without_initial_response() -> None:
    made = core(logged_in=False)
    token = base64.b64encode(b"\0jane\0secret")
    assert events(b'AUTHENTICATE "PLAIN" "' + token + b'"\r\n', made) == [cmd.Authenticate("PLAIN", b"\0jane\0secret")]
    assert events(b'AUTHENTICATE "plain" {%d+}\r\n%b\r\n' % (len(token), token), made) == [
        cmd.Authenticate("PLAIN", b"\0jane\0secret")
    ]
    assert events(b'AUTHENTICATE "SCRAM-SHA-256"\r\n', made) == [cmd.Authenticate("SCRAM-SHA-256", None)]
    made.expect_auth_data()
    assert events(b'"' + token + b'"\r\n', made) == [cmd.AuthData(b"\0jane\0secret")]
    for cancel in (b'"*"\r\n', b"*\r\n"):
        made.expect_auth_data()
        assert events(cancel, made) == [cmd.AuthData(None)]
    made.expect_auth_data()
    (refused,) = events(b'"no base64!"\r\n', made)
    assert isinstance(refused, Refusal)


def test_wrong_after_wrong_ends_the_connection() -> None:
    found = events(b"NONSENSE\r\n" * MAX_ERRORS)
    assert found[-1] == Refusal(b'BYE "Too many errors"\r\n', closes=True)
    assert sum(isinstance(event, Refusal) and event.closes for event in found) == 1
    kept = events((b"NONSENSE\r\n" * (MAX_ERRORS - 1) + b"NOOP\r\n") * 3)
    assert not any(isinstance(event, Refusal) and event.closes for event in kept)


@pytest.mark.parametrize("octets", [b"x" * 9000, b'PUTSCRIPT "a" {99999999+}\r\n'])
def test_what_is_past_all_measure_ends_the_connection(octets: bytes) -> None:
    (refused,) = events(octets)
    assert isinstance(refused, Refusal)
    assert refused.closes
    assert refused.octets.startswith(b"BYE ")


def test_nothing_sent_before_tls_is_read_after_it() -> None:
    made = core(logged_in=False)
    made.receive(b"STARTTLS\r\nNOOP\r\nNO")
    assert made.next_event() == cmd.StartTls()
    made.tls_begins()
    assert events(b"NOOP\r\n", made) == [cmd.Noop(None)]


def test_answers_are_quoted_or_literal() -> None:
    assert responses.no('say "no"\\') == b'NO "say \\"no\\"\\\\"\r\n'
    assert responses.ok() == b"OK\r\n"
    assert responses.no("two\r\nlines") == b"NO {10}\r\ntwo\r\nlines\r\n"
    assert responses.no("x", "QUOTA") == b'NO (QUOTA) "x"\r\n'
    assert responses.string("x" * 1025).startswith(b"{1025}\r\n")
    assert responses.script_line("a", active=True) == b'"a" ACTIVE\r\n'
    assert responses.ok("Done", responses.tag_code(b"t")) == b'OK (TAG "t") "Done"\r\n'
