"""Dialogues with the SMTP server core as scripts: order of commands, syntax, limits, LMTP, AUTH, STARTTLS."""

from __future__ import annotations

import pytest

from posthouse.model.verdict import Reply
from posthouse.protocols.smtp import events as ev
from posthouse.protocols.smtp.config import ServerConfig
from posthouse.protocols.smtp.replies import LocalProtocolError
from posthouse.protocols.smtp.server import ServerCore, State
from support.smtp_dialogue import SmtpDriver, refusing, run_script

SMTP = ServerConfig("mx.example", limits=False, max_errors=50)
LMTP = ServerConfig("mx.example", service="lmtp", limits=False)

DIALOGUES = {
    "a whole transaction": """
        C: HELO c.example
        S: 250 mx.example
        C: MAIL FROM:<a@b.example>
        S: 250 2.1.0
        C: RCPT TO:<c@d.example>
        S: 250 2.1.5
        C: DATA
        S: 354
        C: Subject: x
        C:
        C: Hello
        S: -
        C: .
        S: 250 2.6.0
        C: QUIT
        S: 221 2.0.0 mx.example
    """,
    "commands in lower case": """
        C: ehlo c.example
        S: 250-mx.example
        S: 250-PIPELINING
        S: 250-SIZE 31457280
        S: 250-8BITMIME
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SMTPUTF8
        S: 250-CHUNKING
        S: 250-BINARYMIME
        S: 250 DSN
        C: mail from:<a@b.example> body=8bitmime
        S: 250 2.1.0
        C: rcpt to:<c@d.example> notify=never
        S: 250 2.1.5
    """,
    "everything pipelined in one piece": """
        C: HELO c.example
        C: MAIL FROM:<>
        C: RCPT TO:<Postmaster>
        C: DATA
        S: 250 mx.example
        S: 250 2.1.0
        S: 250 2.1.5
        S: 354
        C: x
        C: .
        C: MAIL FROM:<a@b.example>
        C: RSET
        C: NOOP with words
        C: QUIT
        S: 250 2.6.0
        S: 250 2.1.0
        S: 250 2.0.0
        S: 250 2.0.0
        S: 221
    """,
    "commands out of order": """
        C: MAIL FROM:<a@b.example>
        S: 503 5.5.1 Send EHLO first
        C: RCPT TO:<c@d.example>
        S: 503 5.5.1
        C: DATA
        S: 503 5.5.1
        C: HELO c.example
        S: 250
        C: RCPT TO:<c@d.example>
        S: 503 5.5.1
        C: DATA
        S: 503 5.5.1
        C: MAIL FROM:<a@b.example>
        S: 250
        C: MAIL FROM:<a@b.example>
        S: 503 5.5.1
        C: DATA
        S: 503 5.5.1
        C: RCPT TO:<c@d.example>
        S: 250
        C: MAIL FROM:<a@b.example>
        S: 503 5.5.1
        C: HELO again.example
        S: 250
        C: DATA
        S: 503 5.5.1
    """,
    "unknown and unwanted commands": """
        C: EHLO
        S: 501 5.5.4
        C: HELO two words
        S: 501 5.5.4
        C: HELO \\xc3\\xbc.example
        S: 501 5.5.2
        C: FROBNICATE now
        S: 500 5.5.1
        C:
        S: 500 5.5.1
        C: ETRN example.org
        S: 502 5.5.1
        C: LHLO c.example
        S: 500 5.5.1
        C: VRFY someone
        S: 252 2.1.5
        C: VRFY
        S: 501 5.5.4
        C: EXPN list
        S: 502 5.5.1
        C: HELP
        S: 214 2.0.0
        C: QUIT now
        S: 501 5.5.4
        C: STARTTLS
        S: 503 5.5.1
        C: AUTH PLAIN
        S: 503 5.5.1
        C: BDAT 3 LAST
        C: abcNOOP
        S: 503 5.5.1
        S: 250 2.0.0
    """,
    "malformed MAIL": """
        C: HELO c.example
        S: 250
        C: MAIL a@b.example
        S: 501 5.5.4
        C: MAIL FROM:a@b.example
        S: 501 5.1.7
        C: MAIL FROM:<a@b.example
        S: 501 5.1.7
        C: MAIL FROM:<a b@c.example>
        S: 501 5.1.7
        C: MAIL FROM:<a@b.example>SIZE=3
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> SIZE=
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> SIZE=x
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> SIZE=99999999999999
        S: 552 5.3.4
        C: MAIL FROM:<a@b.example> SIZE=1 SIZE=1
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> BODY=9BIT
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> HOLDFOR=100
        S: 555 5.5.4
        C: MAIL FROM:<a@b.example> MT-PRIORITY=3
        S: 555 5.5.4
        C: MAIL FROM:<a@b.example> REQUIRETLS
        S: 555 5.5.4
        C: MAIL FROM:<a@b.example> RET=SOME
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> ENVID=a+0D+0Ab
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> ENVID=a+zz
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> SMTPUTF8=1
        S: 501 5.5.4
        C: MAIL FROM:<a@b.example> ENVID
        S: 501 5.5.4
        C: MAIL FROM:<"a@b.example>
        S: 501 5.1.7
        C: MAIL FROM:<\\xc3\\xbc@b.example>
        S: 553 5.6.7
        C: MAIL FROM:<\\xfc@b.example> SMTPUTF8
        S: 500 5.5.2
    """,
    "malformed RCPT": """
        C: HELO c.example
        C: MAIL FROM:<a@b.example>
        S: 250
        S: 250
        C: RCPT FROM:<c@d.example>
        S: 501 5.5.4
        C: RCPT TO:<>
        S: 501 5.1.3
        C: RCPT TO:<c>
        S: 501 5.1.3
        C: RCPT TO:<@a.example:>
        S: 501 5.1.3
        C: RCPT TO:<c@[1.2.3]>
        S: 501 5.1.3
        C: RCPT TO:<c@[IPv6:zz]>
        S: 501 5.1.3
        C: RCPT TO:<\\xc3\\xbc@d.example>
        S: 553 5.6.7
        C: RCPT TO:<c@d.example> NOTIFY=NEVER,SUCCESS
        S: 501 5.5.4
        C: RCPT TO:<c@d.example> NOTIFY=SOMETIMES
        S: 501 5.5.4
        C: RCPT TO:<c@d.example> ORCPT=rfc822
        S: 501 5.5.4
        C: RCPT TO:<c@d.example> ORCPT=rfc822;a+1
        S: 501 5.5.4
        C: RCPT TO:<c@d.example> SIZE=1
        S: 555 5.5.4
        C: DATA now
        S: 503 5.5.1
    """,
    "SMTPUTF8 addresses": """
        C: HELO c.example
        C: MAIL FROM:<\\xc3\\xbc@b.example> SMTPUTF8
        C: RCPT TO:<\\xc3\\xa4@\\xc3\\xb6.example>
        S: 250
        S: 250
        S: 250
        C: RSET
        C: MAIL FROM:<a@b.example>
        C: RCPT TO:<\\xc3\\xa4@d.example>
        S: 250
        S: 250
        S: 553 5.6.7
    """,
    "HTTP is shown the door": """
        C: GET / HTTP/1.1
        C: Host: mx.example
        S: 554 5.5.1
        C: HELO c.example
        S: -
    """,
    "a TLS client on a clear-text port is shown the door": """
        C: \\x16\\x03\\x01
        S: 554 5.5.1
        C: HELO c.example
        S: -
    """,
    "lines that end in a bare LF": """
        C: NOOP\\nNOOP
        S: 500 5.5.2
        S: 250
        C: NO\\rOP
        S: 500 5.5.2
        C: NO\\0OP
        S: 500 5.5.2
    """,
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    run_script(SmtpDriver(SMTP).feed, DIALOGUES[name])


def test_lmtp_has_its_own_greeting_and_one_reply_for_each_recipient() -> None:
    driver = SmtpDriver(LMTP, refusing("no@d.example"))
    assert driver.core.greeting().startswith(b"220 mx.example LMTP")
    run_script(
        driver.feed,
        """
        C: EHLO c.example
        S: 500 5.5.1
        C: HELO c.example
        S: 500 5.5.1
        C: MAIL FROM:<a@b.example>
        S: 503 5.5.1 Send LHLO first
        """,
    )
    assert driver.feed(b"LHLO c.example\r\n").endswith(b"250 DSN\r\n")
    run_script(
        driver.feed,
        """
        C: MAIL FROM:<a@b.example>
        C: RCPT TO:<1@d.example>
        C: RCPT TO:<no@d.example>
        C: RCPT TO:<2@d.example>
        C: DATA
        S: 250
        S: 250
        S: 550 5.1.1
        S: 250
        S: 354
        C: x
        C: .
        S: 250 2.6.0
        S: 250 2.6.0
        """,
    )


def test_lmtp_recipients_may_fare_differently() -> None:
    def policy(core: ServerCore, event: ev.Event) -> bytes | None:
        if isinstance(event, ev.MessageComplete):
            return core.reply_each([Reply(250, "2.0.0", "one"), Reply(452, "4.2.2", "two")])
        return None

    driver = SmtpDriver(LMTP, policy)
    driver.feed(b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<1@d.example>\r\nRCPT TO:<2@d.example>\r\nDATA\r\n")
    assert driver.feed(b".\r\n") == b"250 2.0.0 one\r\n452 4.2.2 two\r\n"
    assert driver.core.recipients == 0


def test_reply_each_wants_as_many_replies_as_recipients() -> None:
    core = ServerCore(LMTP)
    core.receive(b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<1@d.example>\r\nDATA\r\n.\r\n")
    for _ in range(4):
        core.next_event()
        core.accept()
    assert isinstance(core.next_event(), ev.MessageComplete)
    with pytest.raises(LocalProtocolError):
        core.reply_each([])


def test_data_after_refused_recipients_is_no_error_of_the_client() -> None:
    driver = SmtpDriver(SMTP, refusing("no@d.example"))
    answer = driver.feed(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<no@d.example>\r\nDATA\r\n")
    assert answer.splitlines()[-1].startswith(b"554 5.5.1 No valid recipients")
    assert driver.core.errors == 1


def test_every_dsn_parameter_reaches_the_event_decoded() -> None:
    driver = SmtpDriver(SMTP)
    driver.feed(
        b"EHLO c\r\nMAIL FROM:<a@b.example> SIZE=12 BODY=8BITMIME RET=HDRS ENVID=QQ+2B314+3D AUTH=<>\r\n"
        b"RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@x.example\r\n"
    )
    mail, rcpt = driver.events[1:]
    assert isinstance(mail, ev.MailFrom) and isinstance(rcpt, ev.RcptTo)
    assert (mail.sender.size_bytes, mail.sender.body, mail.sender.ret, mail.sender.envid) == (12, "8BITMIME", "HDRS", "QQ+314=")
    assert mail.sender.auth == "<>"
    assert rcpt.recipient.notify == {"SUCCESS", "DELAY"}
    assert rcpt.recipient.orcpt == "rfc822;Bob+@x.example"


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<a@b.example>", "a@b.example"),
        (" <a@B.Example>", "a@b.example"),
        ("<@r.example,@s.example:a@b.example>", "a@b.example"),
        ('<"a>b"@c.example>', '"a>b"@c.example'),
        ('<"a\\"b"@c.example>', '"a\\"b"@c.example'),
        ('<"ab"@c.example>', "ab@c.example"),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("<>", ""),
    ],
)
def test_paths(path: str, address: str) -> None:
    driver = SmtpDriver(SMTP)
    driver.feed(b"HELO c\r\n" + f"MAIL FROM:{path} SIZE=1\r\n".encode())
    mail = driver.events[-1]
    assert isinstance(mail, ev.MailFrom)
    assert str(mail.sender) == address
    assert mail.sender.size_bytes == 1


def test_postmaster_needs_no_domain() -> None:
    driver = SmtpDriver(SMTP)
    driver.feed(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\n")
    rcpt = driver.events[-1]
    assert isinstance(rcpt, ev.RcptTo)
    assert (rcpt.recipient.address.local.lower(), rcpt.recipient.address.domain) == ("postmaster", "")


def test_starttls_forgets_what_was_said_and_sent_in_clear_text() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", starttls=True, requiretls=False))
    assert b"250-STARTTLS\r\n" in driver.feed(b"EHLO c\r\n")
    answer = driver.feed(b"STARTTLS\r\nMAIL FROM:<injected@b.example>\r\nRSET\r\n")
    assert answer == b"220 2.0.0 Ready to start TLS\r\n"
    driver.core.offer(requiretls=True)
    assert driver.feed(b"MAIL FROM:<a@b.example>\r\n").startswith(b"503 5.5.1 Send EHLO first")
    hello = driver.feed(b"EHLO c\r\n")
    assert b"STARTTLS" not in hello and b"REQUIRETLS" in hello
    assert driver.feed(b"STARTTLS\r\n").startswith(b"502 5.5.1")
    assert driver.feed(b"MAIL FROM:<a@b.example> REQUIRETLS\r\n").startswith(b"250")
    assert not any(isinstance(event, ev.Rset) for event in driver.events)


def test_octets_that_arrive_before_the_handshake_are_dropped() -> None:
    core = ServerCore(ServerConfig("mx.example", starttls=True))
    core.receive(b"EHLO c\r\nSTARTTLS\r\n")
    for _ in range(2):
        core.next_event()
        core.accept()
    assert core.state is State.TLS
    core.receive(b"RSET\r\n")
    assert core.next_event() is None
    core.tls_started()
    assert core.next_event() is None


def _auth(core: ServerCore, event: ev.Event) -> bytes | None:
    if isinstance(event, ev.Auth) and event.initial is None:
        return core.challenge(b"go on")
    if isinstance(event, (ev.Auth, ev.AuthLine)):
        data = event.initial if isinstance(event, ev.Auth) else event.data
        return None if data == b"right" else core.reply(Reply(535, "5.7.8", "Wrong"))
    return None


def test_auth() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", auth=("PLAIN",), limits=False), _auth)
    assert b"250-AUTH PLAIN\r\n" in driver.feed(b"EHLO c\r\n")
    run_script(
        driver.feed,
        """
        C: AUTH
        S: 501 5.5.4
        C: AUTH CRAM-MD5
        S: 504 5.5.4
        C: AUTH PLAIN !!!
        S: 501 5.5.2
        C: AUTH PLAIN d3Jvbmc=
        S: 535 5.7.8
        C: AUTH plain =
        S: 535 5.7.8
        C: AUTH PLAIN
        S: 334 Z28gb24=
        C: *
        S: 501 5.7.0
        C: AUTH PLAIN
        S: 334
        C: not base64
        S: 501 5.5.2
        C: MAIL FROM:<a@b.example>
        S: 250
        C: AUTH PLAIN cmlnaHQ=
        S: 503 5.5.1
        C: RSET
        S: 250
        C: AUTH PLAIN
        S: 334
        C: cmlnaHQ=
        S: 235 2.7.0
        C: AUTH PLAIN cmlnaHQ=
        S: 503 5.5.1
        """,
    )
    assert driver.core.authenticated
    assert b"AUTH" not in driver.feed(b"EHLO c\r\n")
    errors = [event for event in driver.events if isinstance(event, ev.ProtocolError)]
    assert not any("!!!" in event.line or "base64" in event.line for event in errors)


def test_auth_without_tls_asks_for_tls() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", starttls=True))
    driver.feed(b"EHLO c\r\n")
    assert driver.feed(b"AUTH PLAIN AAAA\r\n").startswith(b"538 5.7.11")
    driver.core.offer(starttls=False)
    assert driver.feed(b"AUTH PLAIN AAAA\r\n").startswith(b"502 5.5.1")


def test_auth_lines_may_be_long_but_not_endless() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", auth=("PLAIN",)), _auth)
    driver.feed(b"EHLO c\r\n")
    assert driver.feed(b"AUTH PLAIN " + b"QUFB" * 2500 + b"\r\n").startswith(b"535")
    assert driver.feed(b"AUTH PLAIN " + b"QUFB" * 4000 + b"\r\n").startswith(b"500 5.5.2")
    driver.feed(b"AUTH PLAIN\r\n")
    assert driver.feed(b"QUFB" * 4000 + b"\r\n").startswith(b"500 5.5.2")
    assert driver.feed(b"NOOP\r\n").startswith(b"250")


def test_too_many_errors_close_the_connection() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", max_errors=3))
    answer = driver.feed(b"A\r\nB\r\nC\r\nNOOP\r\n")
    assert [line[:3] for line in answer.splitlines()] == [b"500", b"500", b"500", b"421"]
    assert driver.core.closed


def test_recipients_past_the_limit_are_deferred_without_counting_as_errors() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", max_recipients=2))
    answer = driver.feed(b"HELO c\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<c@d.example>\r\n" * 4)
    assert [line[:9] for line in answer.splitlines()[-2:]] == [b"452 4.5.3"] * 2
    assert driver.core.errors == 0


def test_transactions_past_the_limit_end_the_connection() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", max_transactions=1))
    assert b"LIMITS MAILMAX=1 RCPTMAX=1000\r\n" in driver.feed(b"EHLO c\r\n")
    driver.feed(b"MAIL FROM:<>\r\nRSET\r\n")
    assert driver.feed(b"MAIL FROM:<>\r\n").startswith(b"421 4.7.0")
    assert driver.core.closed


def test_a_421_of_the_driver_closes() -> None:
    core = ServerCore(SMTP)
    core.receive(b"NOOP\r\nNOOP\r\n")
    core.next_event()
    assert core.reply(Reply(421, "4.3.2", "Shutting down")) == b"421 4.3.2 Shutting down\r\n"
    assert core.closed and core.next_event() is None and core.held_bytes == 0


def test_an_event_wants_an_answer_before_the_next() -> None:
    core = ServerCore(SMTP)
    with pytest.raises(LocalProtocolError):
        core.accept()
    with pytest.raises(LocalProtocolError):
        core.reply(Reply(250, "", "OK"))
    with pytest.raises(LocalProtocolError):
        core.challenge(b"")
    with pytest.raises(LocalProtocolError):
        core.tls_started()
    core.receive(b"NOOP\r\n")
    core.next_event()
    with pytest.raises(LocalProtocolError):
        core.next_event()


def test_the_driver_may_refuse_a_greeting_or_end_the_connection_at_any_moment() -> None:
    def policy(core: ServerCore, event: ev.Event) -> bytes | None:
        return core.reply(Reply(550, "5.7.1", "Not you")) if isinstance(event, ev.Helo) else None

    driver = SmtpDriver(SMTP, policy)
    assert driver.feed(b"EHLO c\r\n") == b"550 5.7.1 Not you\r\n"
    assert driver.feed(b"MAIL FROM:<>\r\n").startswith(b"503 5.5.1")
    assert driver.core.close(Reply(421, "4.4.2", "Too slow")) == b"421 4.4.2 Too slow\r\n"
    assert driver.core.closed
    assert driver.feed(b"NOOP\r\n") == b""


def test_requiretls_takes_no_value() -> None:
    driver = SmtpDriver(ServerConfig("mx.example", requiretls=True))
    driver.feed(b"EHLO c\r\n")
    assert driver.feed(b"MAIL FROM:<> REQUIRETLS=1\r\n").startswith(b"501 5.5.4")
