"""smtplib against a running node: receiving, submission, LMTP, and what each of them promises (chapters INB and OUT)."""

from __future__ import annotations

import contextlib
import email
import email.policy
import smtplib
import sqlite3
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from support.clients import ImapWire, SmtpWire, message_of, subjects, trusting_tls
from support.node import PASSWORD, Node, running, until

JANE, OMAR = "jane@example.test", "omar@example.org"
STRANGER = "stranger@elsewhere.test"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("smtplib")) as started:
        started.run("setting", "set", "auth.failure_delay_s", "0.1")
        yield started


def note(subject: str, text: str = "Hello.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = STRANGER, JANE, subject
    message.set_content(text)
    return message


@contextlib.contextmanager
def submitting(node: Node, service: str = "submission", user: str = JANE) -> Iterator[smtplib.SMTP]:
    """A logged-in connection over TLS."""
    if service == "submissions":
        client: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", node.ports[service], timeout=30, context=trusting_tls())
    else:
        client = node.smtp(service)
        client.starttls(context=trusting_tls())
    with client:
        client.login(user, PASSWORD)
        yield client


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_a_message_arrives_as_it_was_sent(node: Node, service: str) -> None:
    message = note(f"as sent by {service}", "Dots:\n.\n..\n.leading\nGrüße\n")
    connect = smtplib.LMTP if service == "lmtp" else smtplib.SMTP
    with connect("127.0.0.1", node.ports[service]) as client:
        assert client.send_message(message, STRANGER, [JANE]) == {}
    stored = message_of(node, JANE, f"as sent by {service}")
    assert stored.endswith(message.as_bytes(policy=email.policy.SMTP))
    trace = stored.removesuffix(message.as_bytes(policy=email.policy.SMTP)).decode()
    assert trace.startswith(f"Return-Path: <{STRANGER}>\r\n") and "\r\nReceived: from " in trace
    assert f"for <{JANE}>" in trace.replace("\r\n\t", " ")
    assert f"with {'LMTP' if service == 'lmtp' else 'ESMTP'}" in trace.replace("\r\n\t", " ")


@pytest.mark.spec_part("OUT-1")
@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_submission_over_tls_delivers_what_the_user_wrote(node: Node, service: str) -> None:
    with submitting(node, service) as client:
        assert client.send_message(note(f"over the {service} port"), JANE, [OMAR]) == {}
    stored = email.message_from_bytes(message_of(node, OMAR, f"over the {service} port"), policy=email.policy.default)
    assert "with ESMTPSA" in str(stored["Received"]).replace("\n\t", " ")
    assert stored.get_content() == "Hello.\r\n"


@pytest.mark.spec_part("OUT-1")
def test_submission_mends_what_is_missing_and_hides_bcc(node: Node) -> None:
    bare = f"From: {JANE}, {OMAR}\r\nTo: {OMAR}\r\nBcc: secret@example.test\r\nSubject: to be mended\r\n\r\nx\r\n"
    with submitting(node) as client:
        client.sendmail(JANE, [OMAR], bare)
    stored = email.message_from_bytes(message_of(node, OMAR, "to be mended"))
    assert stored["Date"]
    assert stored["Message-ID"].startswith("<")
    assert stored["Sender"] == f"<{JANE}>"
    assert stored["Bcc"] is None


@pytest.mark.spec_part("OUT-1", "INB-9")
def test_submission_without_a_login_is_refused(node: Node) -> None:
    with node.smtp("submission") as client:
        client.starttls(context=trusting_tls())
        client.ehlo()
        assert client.mail(JANE)[0] == 530


@pytest.mark.spec_part("INB-3")
@pytest.mark.parametrize("name", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("initial", ["with initial response", ""])
@pytest.mark.parametrize("service", ["smtp", "submission"])
def test_a_login_works_with_each_mechanism(node: Node, service: str, name: str, initial: str) -> None:
    with node.smtp(service) as client:
        client.starttls(context=trusting_tls())
        client.ehlo()
        client.user, client.password = JANE, PASSWORD
        code, text = client.auth(
            name, client.auth_plain if name == "PLAIN" else client.auth_login, initial_response_ok=bool(initial)
        )
        assert (code, text[:5]) == (235, b"2.7.0")


@pytest.mark.spec_part("INB-3")
def test_wrong_passwords_and_unknown_users_are_refused_alike_and_end_the_connection(node: Node) -> None:
    with node.smtp("submission") as client:
        client.ehlo()
        for user in (JANE, "nobody@example.test", "nobody@nowhere.test", JANE):
            assert log_in(client, user, "wrong") == (535, b"5.7.8 Authentication credentials invalid")
        assert log_in(client, JANE, "wrong")[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
    with submitting(node) as client:
        assert client.noop()[0] == 250


def log_in(client: smtplib.SMTP, user: str, password: str) -> tuple[int, bytes]:
    try:
        client.user, client.password = user, password
        return client.auth("PLAIN", client.auth_plain)
    except smtplib.SMTPAuthenticationError as refused:
        assert isinstance(refused.smtp_error, bytes)
        return refused.smtp_code, refused.smtp_error


@pytest.mark.spec_part("INB-8")
def test_every_extension_is_announced(node: Node) -> None:
    with node.smtp() as client:
        client.ehlo()
        assert {"pipelining", "size", "8bitmime", "enhancedstatuscodes", "starttls", "auth", "smtputf8", "chunking",
                "binarymime", "dsn", "limits"} <= set(client.esmtp_features)  # fmt: skip
        client.starttls(context=trusting_tls())
        client.ehlo()
        assert "starttls" not in client.esmtp_features
        assert client.mail(STRANGER, ["REQUIRETLS"])[0] == (250 if "requiretls" in client.esmtp_features else 555)


@pytest.mark.spec_part("INB-8")
def test_addresses_and_headers_in_other_scripts(node: Node) -> None:
    node.add_user("josé@example.test")
    message = note("Привет, josé")
    with node.smtp() as client:
        client.ehlo()
        content = message.as_bytes(policy=email.policy.SMTPUTF8)
        assert client.sendmail("δοκιμή@elsewhere.test", ["josé@example.test"], content, ["SMTPUTF8", "BODY=8BITMIME"]) == {}
    with SmtpWire(node.ports["smtp"]) as wire:
        wire.greeted()
        assert wire.ask("MAIL FROM:<δοκιμή@elsewhere.test>").startswith(("501", "550", "553"))
        assert wire.ask(f"MAIL FROM:<{STRANGER}>").startswith("250")
        assert wire.ask("RCPT TO:<josé@example.test>").startswith(("501", "550", "553"))
    with ImapWire(node.ports["imap"]) as reader:
        reader.login("josé@example.test")
        reader.good("SELECT INBOX")
        (stored,) = reader.good("FETCH 1 (BODY.PEEK[])").of("FETCH")
    assert content in stored
    assert "Return-Path: <δοκιμή@elsewhere.test>".encode() in stored
    assert b"with UTF8SMTP" in stored.replace(b"\r\n\t", b" ")


@pytest.mark.spec_part("INB-8")
def test_eight_bit_text_stays_as_it_is(node: Node) -> None:
    content = b"Subject: eight bit\r\nContent-Type: text/plain; charset=latin-1\r\n\r\n" + bytes(range(0xA0, 0x100)) + b"\r\n"
    with node.smtp() as client:
        client.sendmail(STRANGER, [JANE], content, ["BODY=8BITMIME"])
    assert message_of(node, JANE, "eight bit").endswith(content)


@pytest.mark.spec_part("INB-8")
def test_dsn_parameters_are_taken_and_nonsense_refused(node: Node) -> None:
    with node.smtp() as client:
        client.ehlo()
        assert client.mail(STRANGER, ["RET=HDRS", "ENVID=QQ314159"])[0] == 250
        assert client.rcpt(JANE, ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;jane@example.test"])[0] == 250
        assert client.rcpt(JANE, ["NOTIFY=NEVER,DELAY"])[0] == 501
        assert client.rcpt(JANE, ["NOTIFY=PERHAPS"])[0] == 501
        client.rset()
        assert client.mail(STRANGER, ["RET=SOME"])[0] == 501
        assert client.mail(STRANGER, ["PRIORITY=HIGH"])[0] == 555


@pytest.mark.spec("INB-7")
def test_the_size_limit_is_announced_and_enforced_at_mail_from_and_while_receiving(node: Node) -> None:
    with node.smtp() as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "31457280"
        assert client.mail(STRANGER, ["SIZE=31457281"])[0] == 552
        assert client.mail(STRANGER, ["SIZE=31457280"])[0] == 250
    node.run("smtp", "set", "max_message_bytes", "134217728")
    until(lambda: size_offered(node) == {"134217728"})
    with node.smtp() as client:
        large = b"Subject: 33 MB\r\n\r\n" + (b"y" * 998 + b"\r\n") * 33_000
        assert client.sendmail(STRANGER, [OMAR], large) == {}
        assert client.mail(STRANGER, ["SIZE=134217729"])[0] == 552
        assert client.mail(STRANGER, ["SIZE=134217728"])[0] == 250
    assert len(message_of(node, OMAR, "33 MB")) > 33_000_000
    node.run("smtp", "set", "max_message_bytes", "100k")
    until(lambda: size_offered(node) == {"102400"})
    line = b"x" * 98 + b"\r\n"
    fits, too_large = b"Subject: fits\r\n\r\n" + line * 1000, b"Subject: large\r\n\r\n" + line * 1030
    with node.smtp() as client:
        client.ehlo()
        client.mail(STRANGER)
        client.rcpt(JANE)
        assert client.data(fits)[0] == 250
        client.mail(STRANGER)
        client.rcpt(JANE)
        assert client.data(too_large)[0] == 552
        assert client.noop()[0] == 250
    node.run("smtp", "set", "max_message_bytes", "31457280")
    until(lambda: size_offered(node) == {"31457280"})
    assert "large" not in subjects(node, JANE)


def size_offered(node: Node) -> set[str]:
    """By all workers, as far as six connections can tell."""
    sizes = set()
    for _ in range(6):
        with node.smtp() as client:
            client.ehlo()
            sizes.add(client.esmtp_features["size"])
    return sizes


@pytest.mark.spec_part("INB-9")
def test_a_refused_recipient_is_told_at_once_and_the_others_get_their_mail(node: Node) -> None:
    with node.smtp() as client:
        refused = client.send_message(note("two of three"), STRANGER, [JANE, "nobody@example.test", OMAR])
        assert list(refused) == ["nobody@example.test"]
        assert refused["nobody@example.test"][0] == 550
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(note("nobody"), STRANGER, ["nobody@example.test"])
    assert "two of three" in subjects(node, JANE)
    assert "two of three" in subjects(node, OMAR)


def test_the_null_sender_is_taken(node: Node) -> None:
    with node.smtp() as client:
        client.send_message(note("from nobody"), "", [JANE])
    assert message_of(node, JANE, "from nobody").startswith(b"Return-Path: <>\r\n")


def test_lmtp_answers_for_each_recipient(node: Node) -> None:
    with SmtpWire(node.ports["lmtp"]) as wire:
        wire.replies()
        wire.ask("LHLO client.elsewhere.test")
        wire.ask(f"MAIL FROM:<{STRANGER}>")
        assert wire.ask(f"RCPT TO:<{JANE}>").startswith("250")
        assert wire.ask("RCPT TO:<nobody@example.test>").startswith("550 5.1.1")
        assert wire.ask(f"RCPT TO:<{OMAR}>").startswith("250")
        assert wire.ask("DATA").startswith("354")
        wire.send(b"Subject: for each\r\n\r\nx\r\n.\r\n")
        assert [reply[:9] for reply in wire.replies(2)] == ["250 2.0.0", "250 2.0.0"]
        assert wire.ask("EHLO client.elsewhere.test").startswith("500")
        wire.ask("QUIT")


@pytest.mark.spec_part("STO-7")
def test_one_message_to_five_users_is_stored_once(node: Node) -> None:
    users = [f"single{number}@example.test" for number in range(5)]
    for user in users:
        node.add_user(user)
    with node.smtp() as client:
        client.send_message(note("stored once"), STRANGER, users)
    assert len({message_of(node, user, "stored once") for user in users}) == 1
    needle = b"stored once"
    with contextlib.closing(sqlite3.connect(f"file:{database(node.folder)}?mode=ro", uri=True)) as mail:
        (bodies,) = mail.execute("SELECT count(*) FROM body WHERE instr(envelope, ?)", (needle,)).fetchone()
        (copies,) = mail.execute("SELECT count(*) FROM message JOIN body USING (body_id) WHERE instr(envelope, ?)",
                                 (needle,)).fetchone()  # fmt: skip
    assert (bodies, copies) == (1, 5)


def database(folder: Path) -> Path:
    (found,) = (folder / "data").rglob("mail.db")
    return found


def test_a_hundred_messages_over_one_connection(node: Node) -> None:
    node.add_user("many@example.test")
    with node.smtp() as client:
        for number in range(100):
            assert client.sendmail(STRANGER, ["many@example.test"], f"Subject: n{number}\r\n\r\nx\r\n") == {}
    assert subjects(node, "many@example.test") == [f"n{number}" for number in range(100)]


def test_a_message_is_there_once_it_is_acknowledged(node: Node) -> None:
    node.add_user("quick@example.test")
    with ImapWire(node.ports["imap"]) as reader, node.smtp() as client:
        reader.login("quick@example.test")
        for number in range(1, 21):
            client.sendmail(STRANGER, ["quick@example.test"], f"Subject: {number}\r\n\r\nx\r\n")
            assert reader.good("STATUS INBOX (MESSAGES)").lines == [b"* STATUS INBOX (MESSAGES %d)" % number]
