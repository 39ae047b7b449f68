"""Delivery status notifications, read back with the standard library's parser."""

from __future__ import annotations

import email
import email.message
import email.policy
from dataclasses import replace

import pytest

from posthouse.formats import dsn
from posthouse.formats.dsn import DsnRecipient, DsnRequest
from posthouse.formats.mime import summarise
from posthouse.model.address import Address

AT = 1_795_492_740.0
ORIGINAL = b"From: jane@example.com\r\nSubject: Hello\r\n folded\r\n\r\nbody line\r\n"
FAILED = DsnRecipient(
    final=Address.parse("joe@example.org"),
    action="failed",
    status="5.1.1",
    original="rfc822;joe@example.org",
    remote_mta="mx.example.org",
    reply="550 5.1.1 No such user here\r\nX-Injected: yes",
)
REQUEST = DsnRequest(
    reporting_mta="mx.example.com",
    to=Address.parse("jane@example.com"),
    at=AT,
    message_id="<dsn@mx.example.com>",
    boundary="=_boundary",
    arrived_at=AT - 60,
    recipients=(FAILED,),
    content=ORIGINAL,
    envid="env 1",
)


def parsed(octets: bytes) -> email.message.EmailMessage:
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def status_groups(octets: bytes) -> list[email.message.Message]:
    part = email.message_from_bytes(octets).get_payload(1)
    assert isinstance(part, email.message.Message)
    groups = part.get_payload()
    assert isinstance(groups, list)
    return [group for group in groups if isinstance(group, email.message.Message)]


def test_failure() -> None:
    octets = dsn.compose(REQUEST)
    message = parsed(octets)
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Type"].params["report-type"] == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == "jane@example.com"
    assert message["Date"] == "Tue, 24 Nov 2026 03:59:00 +0000"
    people, _, returned = message.iter_parts()
    text = people.get_content()
    assert "could NOT be delivered" in text
    assert "mx.example.org said: 550 5.1.1 No such user here" in text
    assert returned.get_content_type() == "text/rfc822-headers"
    about_message, about_recipient = status_groups(octets)
    assert dict(about_message.items()) == {
        "Reporting-MTA": "dns; mx.example.com",
        "Original-Envelope-Id": "env 1",
        "Arrival-Date": "Tue, 24 Nov 2026 03:58:00 +0000",
    }
    assert dict(about_recipient.items()) == {
        "Original-Recipient": "rfc822; joe@example.org",
        "Final-Recipient": "rfc822; joe@example.org",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.org",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user here X-Injected: yes",
    }


def test_same_request_same_octets() -> None:
    assert dsn.compose(REQUEST) == dsn.compose(replace(REQUEST))


def test_header_only_returns_no_line_of_the_body() -> None:
    octets = dsn.compose(REQUEST)
    assert b"Subject: Hello\r\n folded\r\n" in octets
    assert b"body line" not in octets


def test_full_return() -> None:
    octets = dsn.compose(replace(REQUEST, full=True))
    returned = summarise(octets).root.children[2]
    assert (returned.type, returned.subtype) == ("message", "rfc822")
    assert octets[returned.body_start : returned.body_end] == ORIGINAL


@pytest.mark.parametrize(
    "content", [b"A: 1\r\n\r\n\0binary", b"A: 1\r\n\r\nbare\nLF\r\n", b"A: 1\r\n\r\n" + b"x" * (dsn.MAX_RETURNED_BYTES + 1)]
)
def test_what_cannot_or_should_not_be_returned_whole_is_not(content: bytes) -> None:
    octets = dsn.compose(replace(REQUEST, full=True, content=content))
    assert summarise(octets).root.children[2].subtype == "rfc822-headers"
    assert b"\0" not in octets


def test_delay_tells_how_long_it_will_be_tried() -> None:
    delayed = replace(
        FAILED, action="delayed", status="4.4.1", reply="connection timed out", remote_mta="", retry_until=AT + 3600
    )
    octets = dsn.compose(replace(REQUEST, recipients=(delayed,)))
    assert parsed(octets)["Subject"] == "Your message is delayed"
    _, fields = status_groups(octets)
    assert (fields["Action"], fields["Will-Retry-Until"]) == ("delayed", "Tue, 24 Nov 2026 04:59:00 +0000")
    assert fields["Diagnostic-Code"] == "x-posthouse; connection timed out"
    assert fields["Remote-MTA"] is None


def test_several_recipients_have_a_group_each_and_the_worst_is_the_subject() -> None:
    delivered = DsnRecipient(Address.parse("ann@example.net"), "delivered", "2.0.0", written_to="all@example.net")
    octets = dsn.compose(replace(REQUEST, recipients=(delivered, FAILED)))
    assert parsed(octets)["Subject"] == "Your message could not be delivered"
    assert [group["Action"] for group in status_groups(octets)[1:]] == ["delivered", "failed"]
    assert b"all@example.net\r\n        (that is, ann@example.net)" in octets


def test_addresses_outside_ascii_take_the_forms_of_rfc_6533() -> None:
    abroad = replace(FAILED, final=Address("jörg", "example.org"), original="utf-8;jörg@example.org")
    octets = dsn.compose(replace(REQUEST, recipients=(abroad,), content="Subject: ä\r\n\r\nx\r\n".encode(), full=True))
    kinds = [f"{part.type}/{part.subtype}" for part in summarise(octets).root.children]
    assert kinds == ["text/plain", "message/global-delivery-status", "message/global"]
    assert "Final-Recipient: utf-8; jörg@example.org\r\n".encode() in octets
    assert octets.count(b"Content-Transfer-Encoding: 8bit\r\n") == 4
    header_only = dsn.compose(replace(REQUEST, content="Subject: ä\r\n\r\nx\r\n".encode()))
    assert summarise(header_only).root.children[2].subtype == "global-headers"


def test_boundary_that_occurs_in_the_message_is_changed() -> None:
    octets = dsn.compose(replace(REQUEST, full=True, content=ORIGINAL + b"--=_boundary\r\nx\r\n"))
    assert len(summarise(octets).root.children) == 3


def test_long_replies_are_folded_and_bounded() -> None:
    octets = dsn.compose(replace(REQUEST, recipients=(replace(FAILED, reply="550 " + "ä words " * 1000),)))
    assert max(map(len, octets.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.1.1 No such user", "5.1.1"),
        ("550-5.7.26 Not allowed", "5.7.26"),
        ("451 4.7.1", "4.7.1"),
        ("550 No enhanced code", "5.0.0"),
        ("421", "4.0.0"),
        ("550 4.1.1 Of another class", "5.0.0"),
        ("Connection refused", "4.4.1"),
        ("", "4.4.1"),
    ],
)
def test_status_of_a_reply(reply: str, status: str) -> None:
    assert dsn.status_of(reply, "4.4.1") == status
