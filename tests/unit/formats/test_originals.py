"""What a stored message tells of its way in, and the message without our own fields; recorded sessions as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.base.errors import BadValue
from posthouse.formats import received
from posthouse.formats.original import original
from posthouse.formats.session_records import parse, render
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.rehearsal import RecordedSession
from posthouse.model.session import Session, TlsFacts

RAW = b"Received: from far (far [198.51.100.7]) by x; Tue, 24 Nov 2026 10:00:00 +0000\r\nSubject: hi\r\n\r\nText\r\n"
TRACE = "01M3250V00V1JFYNG7PWB5EN6P"


def stored(client: str = "192.0.2.9", host: str = "") -> bytes:
    session = Session("smtp", client, 1, "192.0.2.1", 25, 0.0, helo="mx.far.test", esmtp=True, host=host)
    session.tls = TlsFacts("TLSv1.3", "AES")
    field = received.render(
        session,
        by="mx.example.test",
        trace_id=TRACE,
        recipients=[Recipient(Address.parse("jane@example.test"))],
        at=1_790_000_000.0,
    )
    return b"Return-Path: <lena@far.test>\r\nX-Spam-Status: No\r\n" + field + RAW


@pytest.mark.parametrize(("client", "host"), [("192.0.2.9", ""), ("192.0.2.9", "mx.far.test"), ("2001:db8::9", "")])
def test_what_we_wrote_is_read_back_and_taken_off(client: str, host: str) -> None:
    found = original(stored(client, host), {"mx.example.test"})
    assert found.content == RAW
    assert (found.sender, found.client, found.host, found.helo) == ("lena@far.test", client, host, "mx.far.test")
    assert (found.trace_id, found.recipient, found.at, found.protocol) == (
        TRACE,
        "jane@example.test",
        1_790_000_000.0,
        "ESMTPS",
    )


def test_a_message_that_another_host_received_keeps_its_fields() -> None:
    found = original(RAW, {"mx.example.test"})
    assert (found.content, found.client, found.helo, found.trace_id, found.sender) == (RAW, "198.51.100.7", "far", "", None)
    assert original(b"Return-Path: <>\r\n" + RAW, set()).sender == ""
    assert original(b"Return-Path: <>\r\n" + RAW, set()).content == RAW


def test_a_message_without_any_field_is_itself() -> None:
    assert original(b"Hello", set()).content == b"Hello"


@given(st.binary(max_size=300))
def test_any_octets_are_read(content: bytes) -> None:
    assert original(content, {"mx.example.test"}).content in content


SESSION = RecordedSession(
    "line 1", 1_790_000_000.0, "192.0.2.9", "lena@far.test", ("jane@example.test", "omar@example.test"), b"S: \xff\r\n\r\nx",
    helo="far", dns=(("txt far.test", ("v=spf1 -all",)),),
)  # fmt: skip


def test_a_recorded_session_comes_back() -> None:
    assert list(parse([render(SESSION).encode(), b"\n"])) == [SESSION]


def test_a_message_may_be_written_as_text_and_times_as_numbers() -> None:
    given_ = {"at": 5, "client": "", "sender": "", "recipients": ["a@b"], "message": "Subject: \u00ff\r\n\r\n"}
    (found,) = parse([json.dumps(given_).encode()])
    assert (found.content, found.at, found.sender) == (b"Subject: \xff\r\n\r\n", 5.0, "")


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"[]", b"1", b"{}", b'{"at": 1, "client": 1, "sender": "", "recipients": ["a"], "message": ""}',
        b'{"at": 1, "client": "", "sender": "", "recipients": [], "message": ""}',
        b'{"at": 1, "client": "", "sender": "", "recipients": "a", "message": ""}',
        b'{"at": "soon", "client": "", "sender": "", "recipients": ["a"], "message": ""}',
        b'{"at": 1, "client": "", "sender": "", "recipients": ["a"], "content": "%%"}',
        b'{"at": 1, "client": "", "sender": "", "recipients": ["a"], "message": "", "dns": []}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_session_is_refused_with_its_line(line: bytes) -> None:
    with pytest.raises(BadValue, match="line 2"):
        list(parse([b"", line]))


@given(st.binary(max_size=200))
def test_any_line_is_a_session_or_refused(line: bytes) -> None:
    try:
        list(parse([line]))
    except BadValue:
        return
