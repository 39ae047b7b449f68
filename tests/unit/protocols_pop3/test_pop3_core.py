"""Dialogues with the POP3 core: login, the maildrop, multi-line answers, extensions, limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols.pop3 import answers
from posthouse.protocols.pop3 import events as ev
from posthouse.protocols.pop3.server import PopConfig, PopCore
from posthouse.protocols.smtp.replies import LocalProtocolError
from support.pop_dialogue import PopDriver
from support.smtp_dialogue import run_script

MESSAGES = [b"Subject: one\r\n\r\n.dot\r\nline 2\r\n", b"Subject: two\r\n\r\nx\r\n", b"no header end\r\n"]
LOGIN = b"USER jane\r\nPASS secret\r\n"

DIALOGUES = {
    "RFC 1939's session": """
        C: STAT
        S: +OK 3 64
        C: LIST
        S: +OK 3 messages (64 octets)
        S: 1 30
        S: 2 19
        S: 3 15
        S: .
        C: LIST 2
        S: +OK 2 19
        C: RETR 1
        S: +OK 30 octets
        S: Subject: one
        S:
        S: ..dot
        S: line 2
        S: .
        C: DELE 1
        S: +OK Message 1 will be deleted
        C: DELE 1
        S: -ERR
        C: RETR 1
        S: -ERR
        C: LIST 1
        S: -ERR
        C: STAT
        S: +OK 2 34
        C: LIST
        S: +OK 2 messages
        S: 2 19
        S: 3 15
        S: .
        C: UIDL
        S: +OK
        S: 2 uid1
        S: 3 uid2
        S: .
        C: RSET
        S: +OK
        C: UIDL 1
        S: +OK 1 uid0
        C: NOOP
        S: +OK
        C: QUIT
        S: +OK pop.example
    """,
    "TOP": """
        C: TOP 1 0
        S: +OK
        S: Subject: one
        S:
        S: .
        C: TOP 1 1
        S: +OK
        S: Subject: one
        S:
        S: ..dot
        S: .
        C: TOP 1 999999999
        S: +OK
        S: Subject: one
        S:
        S: ..dot
        S: line 2
        S: .
        C: TOP 3 0
        S: +OK
        S: no header end
        S: .
        C: TOP 1
        S: -ERR
        C: TOP 1 -1
        S: -ERR
        C: TOP 9 1
        S: -ERR No such message
    """,
    "numbers that are none": """
        C: RETR
        S: -ERR
        C: RETR 0
        S: -ERR
        C: RETR 4
        S: -ERR
        C: RETR -1
        S: -ERR
        C: RETR 1x
        S: -ERR
        C: RETR 99999999999999999999
        S: -ERR
        C: LIST 1 2
        S: -ERR
        C: STAT 1
        S: -ERR
        C: FROB
        S: -ERR
        C: USER jane
        S: -ERR
        C: STLS
        S: -ERR
        C: UTF8
        S: -ERR
    """,
    "LANG": """
        C: LANG
        S: +OK
        S: i-default
        S: en English
        S: .
        C: LANG *
        S: +OK en
        C: LANG EN
        S: +OK en
        C: LANG de
        S: -ERR
    """,
    "capabilities after login": """
        C: CAPA
        S: +OK
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: UTF8 USER
        S: LANG
        S: IMPLEMENTATION Posthouse
        S: EXPIRE NEVER
        S: .
    """,
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue_after_login(name: str) -> None:
    driver = PopDriver(messages=MESSAGES)
    assert driver.feed(LOGIN).endswith(b"+OK 3 messages (64 octets)\r\n")
    run_script(driver.feed, DIALOGUES[name])


def test_the_greeting_offers_no_apop() -> None:
    greeting = PopCore(PopConfig("pop.example")).greeting()
    assert greeting.startswith(b"+OK pop.example") and b"<" not in greeting


def test_before_login() -> None:
    config = PopConfig("pop.example", stls=True, mechanisms=("PLAIN", "SCRAM-SHA-256"), expire_days=30)
    driver = PopDriver(config, MESSAGES)
    run_script(
        driver.feed,
        """
        C: CAPA
        S: +OK
        S: TOP
        S: UIDL
        S: RESP-CODES
        S: AUTH-RESP-CODE
        S: PIPELINING
        S: UTF8 USER
        S: LANG
        S: IMPLEMENTATION
        S: EXPIRE 30
        S: STLS
        S: USER
        S: SASL PLAIN SCRAM-SHA-256
        S: .
        C: STAT
        S: -ERR
        C: PASS secret
        S: -ERR USER comes first
        C: USER
        S: -ERR
        C: USER jane
        S: +OK
        C: PASS wrong
        S: -ERR [AUTH] Wrong login or password
        C: PASS secret
        S: -ERR USER comes first
        C: APOP jane abc
        S: -ERR
        C: QUIT
        S: +OK
        """,
    )
    assert driver.removed == ()
    assert driver.core.closed


def test_sasl() -> None:
    driver = PopDriver(PopConfig("pop.example", mechanisms=("PLAIN",)), MESSAGES)
    run_script(
        driver.feed,
        """
        C: AUTH
        S: +OK
        S: PLAIN
        S: .
        C: AUTH CRAM-MD5
        S: -ERR
        C: AUTH PLAIN !!!
        S: -ERR Not base64
        C: AUTH PLAIN =
        S: -ERR [AUTH]
        C: AUTH PLAIN
        S: + Z28gb24=
        C: *
        S: -ERR Authentication cancelled
        C: AUTH PLAIN
        S: +
        C: ???
        S: -ERR
        C: NOOP
        S: +OK
        C: auth plain
        S: +
        C: cmlnaHQ=
        S: +OK 3 messages
        C: AUTH PLAIN cmlnaHQ=
        S: -ERR
        """,
    )


def test_stls_forgets_what_came_in_clear_text() -> None:
    driver = PopDriver(PopConfig("pop.example", stls=True, plaintext=False), MESSAGES)
    assert driver.feed(b"USER jane\r\n").startswith(b"-ERR [SYS/PERM]")
    assert driver.feed(b"PASS secret\r\n").startswith(b"-ERR [SYS/PERM]")
    assert driver.feed(b"STLS\r\nQUIT\r\n") == b"+OK Begin TLS\r\n"
    driver.core.offer(plaintext=True)
    assert driver.feed(b"STLS\r\n").startswith(b"-ERR")
    assert b"STLS" not in driver.feed(b"CAPA\r\n")
    assert driver.feed(LOGIN).endswith(b"octets)\r\n")


def test_logins_beyond_ascii_need_utf8_and_passwords_keep_their_spaces() -> None:
    driver = PopDriver(messages=MESSAGES)
    assert driver.feed("USER j\xe4ne\r\n".encode()).startswith(b"-ERR")
    assert driver.feed(b"UTF8\r\n").startswith(b"+OK")
    driver.feed("USER j\xe4ne\r\nPASS two words \r\n".encode())
    assert driver.events[-1] == ev.Login("j\xe4ne", "two words ")
    assert driver.core.utf8
    assert "two words" not in repr(driver.events[-1])


def test_quit_removes_what_was_marked() -> None:
    driver = PopDriver(messages=MESSAGES)
    answer = driver.feed(LOGIN + b"DELE 3\r\nDELE 1\r\nQUIT\r\nNOOP\r\n")
    assert driver.removed == (0, 2)
    assert answer.splitlines()[-1].startswith(b"+OK pop.example signing off")


def test_quit_tells_when_removing_failed() -> None:
    driver = PopDriver(messages=MESSAGES, failing=True)
    assert driver.feed(LOGIN + b"QUIT\r\n").splitlines()[-1].startswith(b"-ERR [SYS/TEMP]")
    assert driver.core.closed


def test_a_lost_connection_removes_nothing() -> None:
    driver = PopDriver(messages=MESSAGES)
    driver.feed(LOGIN + b"DELE 1\r\n")
    assert driver.core.close("Shutting down", "SYS/TEMP") == b"-ERR [SYS/TEMP] Shutting down\r\n"
    assert driver.removed is None and driver.core.closed
    assert driver.feed(b"QUIT\r\n") == b""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b".", b"a", b"..\r\n", b"\r\n.\r\n"]), max_size=12).map(b"".join))
def test_any_message_comes_back_through_poplib_style_unstuffing(content: bytes) -> None:
    driver = PopDriver(messages=[content])
    answer = driver.feed(LOGIN + b"RETR 1\r\n").split(b" octets\r\n", 1)[1]
    lines = answer.split(b"\r\n")
    assert lines[-2:] == [b".", b""] and b"." not in lines[:-2]
    plain = b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines[:-2])
    assert plain == (content if content.endswith(b"\r\n") or not content else content + b"\r\n")


def test_a_session_cut_at_every_octet_gives_the_same_events() -> None:
    wire = b"CAPA\r\nUTF8\r\n" + LOGIN + b"LIST\r\nTOP 1 1\r\nDELE 1\r\nFROB\r\nQUIT\r\n"
    whole = PopDriver(messages=MESSAGES)
    out = whole.feed(wire)
    for cut in range(len(wire)):
        driver = PopDriver(messages=MESSAGES)
        assert driver.feed(wire[:cut]) + driver.feed(wire[cut:]) == out
        assert driver.events == whole.events


def test_long_lines_and_many_errors() -> None:
    driver = PopDriver(PopConfig("pop.example", max_errors=3))
    assert driver.feed(b"x" * 5000).startswith(b"-ERR Line too long")
    assert driver.feed(b"x" * 5000 + b"\r\nNOOP\r\n") == b"+OK\r\n"
    answer = driver.feed(b"A\r\nB\r\nC\r\n").splitlines()
    assert answer[-1].startswith(b"-ERR [SYS/PERM] Too many errors")
    assert driver.core.closed


def test_a_line_without_end_closes() -> None:
    driver = PopDriver()
    for _ in range(40):
        driver.feed(b"x" * 65_536)
    assert driver.core.closed


def test_texts_cannot_smuggle_lines() -> None:
    assert answers.err("a\r\n+OK b", "AUTH") == b"-ERR [AUTH] a??+OK b\r\n"
    assert answers.ok() == b"+OK\r\n"


def test_the_driver_must_keep_the_order() -> None:
    core = PopCore(PopConfig("pop.example"))
    for call in (
        core.accept,
        core.tls_started,
        lambda: core.opened([]),
        lambda: core.challenge(b""),
        lambda: core.message(b""),
    ):
        with pytest.raises(LocalProtocolError):
            call()
    core.receive(b"NOOP\r\nUSER jane\r\nPASS x\r\n")
    core.next_event()
    with pytest.raises(LocalProtocolError):
        core.next_event()
    core.accept()
    core.next_event()
    core.accept()
    core.next_event()
    with pytest.raises(LocalProtocolError):
        core.accept()


@pytest.mark.parametrize("answer", ["opened", "challenge", "message"])
def test_an_answer_must_fit_its_event(answer: str) -> None:
    core = PopCore(PopConfig("pop.example"))
    core.receive(b"NOOP\r\n")
    core.next_event()
    calls = {"opened": lambda: core.opened([]), "challenge": lambda: core.challenge(b""), "message": lambda: core.message(b"")}
    with pytest.raises(LocalProtocolError):
        calls[answer]()
