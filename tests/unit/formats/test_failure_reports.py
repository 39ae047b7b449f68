"""Reports of single messages that failed: what is written is read again and by Python's own reader, others' addresses and texts
stay here, hostile ones are refused. Row MON-5.
"""

from __future__ import annotations

import email
from dataclasses import replace
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats import failure_report, report_mail
from posthouse.formats.dmarc_report import BadReport
from posthouse.formats.failure_report import Letter, redacted, redacted_address
from posthouse.formats.mime import summarise
from posthouse.model.mail_reports import FailureSeen, ReceivedReport

LETTER = Letter("postmaster@example.test", "ruf@bank.test", "mx.example.test", "<r1@mx.example.test>", 1_790_000_000.0)
SEEN = FailureSeen(
    policy_domain="bank.test",
    to=("mailto:ruf@bank.test",),
    author="bank.test",
    failure="dmarc",
    client="192.0.2.66",
    mail_from="redacted@evil.test",
    at=1_789_999_000.0,
    results="dmarc=fail header.from=bank.test",
    aligned=(),
    refused=True,
    header=b"From: Boss <ceo@bank.test>\r\nMessage-ID: <m1@bank.test>\r\n",
    signature=("evil.test", "", "s1"),
    spf_domain="evil.test",
)
SPF = 'v=spf1 exp="a" -all'
HEADER = (
    b"Received: from x by mx.example.test for <jane@example.test>; Fri, 20 Nov 2026 10:00:00 +0000\r\n"
    b"From: Boss <ceo@bank.test>\r\nSender: \"j\xc3\xb6rg x\"@other.test, j\xc3\xb6rg@[192.0.2.1]\r\n"
    b"To: Jane Doe <jane@example.test>\r\nSubject: your diagnosis\r\nMessage-ID: <m1@bank.test>\r\n"
    b"DKIM-Signature: v=1; d=mail.bank.test;\r\n i=list-member=ann@mail.bank.test; b=abc\r\n"
)  # fmt: skip


def read(content: bytes) -> ReceivedReport:
    return report_mail.find(content, summarise(content))


def fields() -> list[tuple[str, bytes]]:
    return [(field.name, HEADER[field.start : field.end]) for field in summarise(HEADER + b"\r\n").root.headers]


def parts(content: bytes) -> tuple[Message, Message, str]:
    """The report, its fields for programs, the header shown; by Python's own reader."""
    message = email.message_from_bytes(content)
    text, machine, shown = children(message)
    assert [part.get_content_type() for part in (text, machine, shown)] == [
        "text/plain", "message/feedback-report", "text/rfc822-headers",
    ]  # fmt: skip
    [inner] = children(machine)
    return message, inner, str(shown.get_payload())


def children(message: Message) -> list[Message]:
    found = message.get_payload()
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, Message)]


@pytest.mark.spec_part("MON-5")
def test_a_report_is_read_as_it_was_written() -> None:
    report = read(failure_report.compose(LETTER, SEEN))
    assert (report.kind, report.domain, report.organisation) == ("failure", "bank.test", "mx.example.test")
    [row] = report.rows
    assert (row.source, row.count, row.result, row.passed) == ("192.0.2.66", 1, "dmarc", False)
    assert row.detail == (
        "from ceo@bank.test; dmarc=fail header.from=bank.test; aligned none; result reject; sender <redacted@evil.test>; "
        "signature of evil.test s1; <m1@bank.test>"
    )


@pytest.mark.spec_part("MON-5")
def test_pythons_own_reader_finds_the_fields_that_rfc_6591_demands() -> None:
    message, said, shown = parts(failure_report.compose(replace(LETTER, incidents=7, spf_record=SPF), SEEN))
    assert message["Auto-Submitted"] == "auto-generated" and message.get_param("report-type") == "feedback-report"
    assert (said["Feedback-Type"], said["Version"], said["Auth-Failure"]) == ("auth-failure", "1", "dmarc")
    assert said["Authentication-Results"] == "mx.example.test; dmarc=fail header.from=bank.test"
    assert (said["Reported-Domain"], said["Source-IP"], said["Identity-Alignment"]) == ("bank.test", "192.0.2.66", "none")
    assert (said["DKIM-Domain"], said["DKIM-Identity"], said["DKIM-Selector"]) == ("evil.test", "@evil.test", "s1")
    assert said["SPF-DNS"] == 'txt : evil.test : "v=spf1 exp=\\"a\\" -all"'
    assert (said["Delivery-Result"], said["Incidents"]) == ("reject", "7")
    assert shown.splitlines()[0] == "From: Boss <ceo@bank.test>"


@pytest.mark.spec_part("MON-5")
def test_attack_a_report_tells_a_forger_nothing_about_people_here() -> None:
    shown = redacted(fields(), "bank.test")
    for secret in (b"jane", b"Doe", b"diagnosis", b"rg"):
        assert secret not in shown, secret
    assert b"for <redacted@example.test>" in shown and b"redacted@other.test, redacted@[192.0.2.1]" in shown
    assert b"ceo@bank.test" in shown and b"list-member=ann@mail.bank.test" in shown, "its own addresses it knows"
    assert redacted_address("ann@bank.test", "bank.test") == "ann@bank.test"
    assert redacted_address("ann@notbank.test", "bank.test") == "redacted@notbank.test"


def test_a_header_without_end_is_shown_to_a_bound() -> None:
    assert len(redacted([("received", b"Received: " + b"x" * 900 + b"\r\n")] * 1000, "bank.test")) <= failure_report.MAX_HEADER


@pytest.mark.spec_part("MON-5")
def test_a_report_with_the_whole_message_is_read_too() -> None:
    content = failure_report.compose(LETTER, SEEN).replace(b"text/rfc822-headers", b"message/rfc822")
    content = content.replace(b"Message-ID: <m1@", b"Subject: pay\r\nMessage-ID: <m1@")
    content = content.replace(b"reject\r\n", b"reject\r\nIncidents: 12\r\n")
    [row] = read(content).rows
    assert row.count == 12 and row.detail.endswith("; pay; <m1@bank.test>")


def test_a_report_without_the_message_is_about_the_reported_domain() -> None:
    content = failure_report.compose(LETTER, replace(SEEN, author="news.bank.test"))
    content = content.replace(b"text/rfc822-headers", b"application/octet-stream")
    assert read(content).domain == "news.bank.test"


@pytest.mark.parametrize("count", [b"0", b"-1", b"9" * 40, b"many", "٣".encode()])
def test_attack_a_count_that_is_none_counts_one(count: bytes) -> None:
    content = failure_report.compose(LETTER, SEEN).replace(b"reject\r\n", b"reject\r\nIncidents: " + count + b"\r\n")
    assert read(content).rows[0].count == 1


def test_attack_what_a_stranger_writes_breaks_no_line_of_a_report() -> None:
    evil = replace(
        SEEN, mail_from="a\r\nBcc: x", results="dmarc=fail\r\n\r\n--b", signature=("a\nb", "c\rd", "\0"), spf_domain="é"
    )
    _, said, _ = parts(failure_report.compose(replace(LETTER, spf_record="v=spf1\r\nBcc: y"), evil))
    assert said["Bcc"] is None and said["Auth-Failure"] == "dmarc" and said["SPF-DNS"].startswith("txt : ? :")


def test_a_report_about_nobody_is_refused() -> None:
    content = failure_report.compose(LETTER, replace(SEEN, author="", header=b"X: y\r\n"))
    with pytest.raises(BadReport, match="in whose name"):
        read(content)


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_attack_any_octets_are_a_report_or_refused(machine: bytes, shown: bytes) -> None:
    content = (
        b'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n--b\r\n'
        b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\n%b\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n%b\r\n--b--\r\n" % (machine, shown)
    )
    try:
        [row] = read(content).rows
    except BadReport:
        return
    assert row.count >= 1 and len(row.detail) <= 500 and row.detail.isprintable()


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_attack_no_header_shows_anothers_address(values: list[bytes]) -> None:
    raw = [
        ("received", b"Received: " + value.replace(b"\n", b" ").replace(b"\r", b" ") + b" jane@here.test\r\n")
        for value in values
    ]
    assert b"jane@" not in redacted(raw, "bank.test")
