"""Complaints (ARF, RFC 5965): the standard's example is read, hostile ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats import feedback
from posthouse.formats.dmarc_report import BadReport
from posthouse.formats.mime import summarise
from posthouse.model.mail_reports import ReceivedReport

EXAMPLE = b"""From: <abusedesk@example.com>
Date: Thu, 8 Mar 2005 17:40:36 EDT
Subject: FW: Earn money
To: <abuse@example.net>
Message-ID: <20030712040037.46341@example.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <somespammer@example.net>
Original-Rcpt-To: <user@example.com>
Source-IP: 192.0.2.1
Reported-Domain: example.net

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

From: <somespammer@example.net>
To: <Undisclosed Recipients>
Subject: Earn money
Message-ID: 8787KJKJ3K4J3K4J3K4J3.mail@example.net
Date: Thu, 02 Sep 2004 12:31:03 -0500

Spam Spam Spam
--part1_13d.2e68ed54_boundary--
""".replace(b"\n", b"\r\n")


def read(content: bytes) -> ReceivedReport:
    summary = summarise(content)
    if not feedback.is_feedback(summary.root):
        raise BadReport("no feedback")
    return feedback.parse(content, summary)


def test_the_example_of_the_standard_is_read() -> None:
    report = read(EXAMPLE)
    assert (report.kind, report.domain, report.organisation) == ("feedback", "example.net", "example.net")
    [row] = report.rows
    assert (row.source, row.result, row.passed) == ("user@example.com", "abuse", False)
    assert row.detail == "8787KJKJ3K4J3K4J3K4J3.mail@example.net; Earn money; 192.0.2.1"


def test_not_spam_is_no_complaint() -> None:
    assert read(EXAMPLE.replace(b"Feedback-Type: abuse", b"Feedback-Type: not-spam")).rows[0].passed


@pytest.mark.parametrize(
    "content",
    [
        EXAMPLE.replace(b"Feedback-Type: abuse", b"X: y"),
        EXAMPLE.replace(b"message/feedback-report", b"text/plain"),
        EXAMPLE.replace(b"message/rfc822", b"text/plain"),
        EXAMPLE.replace(b"report-type=feedback-report", b"report-type=delivery-status"),
    ],
)
def test_what_is_no_complaint_is_refused(content: bytes) -> None:
    with pytest.raises(BadReport):
        read(content)


@given(st.integers(0, len(EXAMPLE) - 1), st.binary(max_size=20))
def test_fuzz_complaints(place: int, octets: bytes) -> None:
    try:
        read(EXAMPLE[:place] + octets + EXAMPLE[place + len(octets) :])
    except BadReport:
        return
