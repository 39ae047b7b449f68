"""What comes from virus engines is read within bounds, whatever it is: ICAP and clamd (CON-5)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.protocols import clamd, icap

RESPONSE = (
    b'ICAP/1.0 200 OK\r\nISTag: "x"\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n'
    b"Encapsulated: res-hdr=0, res-body=40\r\n\r\n"
    b"HTTP/1.1 403 Forbidden\r\nServer: icap\r\n\r\n6\r\nsorry!\r\n0\r\n\r\n"
)


def read(octets: bytes, step: int, most: int = 1_000) -> icap.Response | None:
    reading = icap.Reading(most)
    for start in range(0, len(octets), step):
        found = reading.feed(octets[start : start + step])
        if found is not None:
            return found
    return None


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
def test_a_response_is_read_however_it_is_cut(step: int) -> None:
    found = read(RESPONSE, step)
    assert found is not None
    assert (found.status, found.http_status, found.body) == (200, 403, b"sorry!")
    assert icap.infection(found.headers) == ("Eicar", False)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_responses_are_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(RESPONSE)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(octets)))
        octets[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=8))
    try:
        found = read(bytes(octets), data.draw(st.integers(1, 50)))
    except icap.Garbled:
        return
    if found is not None:
        assert found.body is None or len(found.body) <= 1_000
        icap.infection(found.headers)
        icap.Options.of(found)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=3_000))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    with contextlib.suppress(icap.Garbled):
        read(b"ICAP/1.0 200 OK\r\n" + octets, 64)


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nX: " + b"x" * 70_000,
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\nzz\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\nfffffff\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=9999999\r\n\r\n",
    ],
)
def test_a_server_that_says_too_much_or_something_else_is_refused(octets: bytes) -> None:
    with pytest.raises(icap.Garbled):
        read(octets + b"x" * 70_000, 1_000)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400), st.text(max_size=200), st.integers(0, 10**9))
def test_names_and_types_of_strangers_stay_in_their_line(name: str, kind: str, size: int) -> None:
    service = icap.Service("127.0.0.1", 1344, "av")
    head = icap.respmod_head(service, name=name, content_type=kind, size_bytes=size, preview_bytes=0, allow_204=True)
    outer, request, response, rest = head.split(b"\r\n\r\n")
    assert rest == b""
    assert outer.count(b"\r\n") == 5
    assert request.count(b"\r\n") == 1
    assert response.count(b"\r\n") == 2


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2_000), st.integers(1, 100))
def test_replies_of_clamd_are_cut_whatever_they_are(octets: bytes, step: int) -> None:
    replies = clamd.Replies()
    whole = [reply for start in range(0, len(octets), step) for reply in replies.feed(octets[start : start + step])]
    assert len(whole) == octets.count(b"\0")


def test_a_reply_of_clamd_without_end_is_refused() -> None:
    with pytest.raises(clamd.Garbled):
        clamd.Replies().feed(b"x" * 70_000)


@pytest.mark.parametrize(
    ("said", "kind", "number", "text"),
    [
        (b"1: stream: OK", "ok", 1, ""),
        (b"12: stream: Eicar-Signature FOUND", "found", 12, "Eicar-Signature"),
        (b"stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND", "found", 0, "Win.Test.EICAR_HDB-1"),
        (b"3: INSTREAM size limit exceeded. ERROR", "too large", 3, "INSTREAM size limit exceeded. ERROR"),
        (b"COMMAND READ TIMED OUT", "other", 0, "COMMAND READ TIMED OUT"),
        (b"1: stream: Can't allocate memory ERROR", "error", 1, "stream: Can't allocate memory ERROR"),
    ],
)
def test_the_replies_that_clamd_has(said: bytes, kind: str, number: int, text: str) -> None:
    reply = clamd.parse(said)
    assert (reply.kind, reply.number, reply.text) == (kind, number, text)


def test_the_version_tells_the_patterns_and_their_time() -> None:
    engine, patterns, at = clamd.versions("ClamAV 1.4.3/27800/Mon Oct 27 08:43:18 2025")
    assert (engine, patterns) == ("ClamAV 1.4.3", "27800")
    assert at is not None
    assert clamd.versions("ClamAV 1.4.3") == ("ClamAV 1.4.3", "", None)
    assert clamd.versions("ClamAV 1.4.3/0/") == ("ClamAV 1.4.3", "0", None)


@pytest.mark.parametrize(
    ("headers", "name", "mended"),
    [
        ({"x-infection-found": "Type=0; Resolution=2; Threat=Eicar-Test;"}, "Eicar-Test", False),
        ({"x-infection-found": "Type=0; Resolution=1; Threat=W97M;"}, "W97M", True),
        ({"x-violations-found": "1\n-\nEICAR\n0\n2"}, "EICAR", False),
        ({"x-virus-id": "Troj/Thing-A"}, "Troj/Thing-A", False),
        ({"x-virus-name": "Thing"}, "Thing", False),
        ({}, "", False),
    ],
)
def test_what_servers_say_of_infections(headers: dict[str, str], name: str, mended: bool) -> None:  # noqa: FBT001
    assert icap.infection(headers) == (name, mended)
