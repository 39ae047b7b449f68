"""Authentication-Results: authres reads what we write; what strangers put into it stays harmless; forged fields are found."""

from __future__ import annotations

import time

import authres  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.folding import fold
from posthouse.mailauth import results
from posthouse.model.mail_authentication import ArcResult, AuthReport, DkimResult, DmarcResult, SpfResult
from support.signing import view

REPORT = AuthReport(
    spf=SpfResult("pass", "mailfrom", "example.org", "jane@example.org", detail="192.0.2.1 matches mx"),
    helo=SpfResult("none", "helo", "mx.example.org", "postmaster@mx.example.org", detail="nothing (published)"),
    dkim=(
        DkimResult("pass", "example.org", "s1", "@example.org", "rsa-sha256", 2048, "abc/+def", detail="2048-bit rsa key"),
        DkimResult("fail", "example.net", "s2", "", "ed25519-sha256", detail="the body was changed"),
    ),
    arc=ArcResult("pass", ("a.test",), ("i=1; a.test",), "1 seal"),
    dmarc=DmarcResult("fail", "example.org", "reject", "example.org", detail="no one speaks for it"),
)


def test_one_field_tells_everything() -> None:
    assert results.compose("mx.example.test", REPORT) == (
        "mx.example.test; spf=none (nothing _published_) smtp.helo=mx.example.org;"
        " spf=pass (192.0.2.1 matches mx) smtp.mailfrom=jane@example.org;"
        " dkim=pass (2048-bit rsa key) header.d=example.org header.i=@example.org header.s=s1 header.a=rsa-sha256"
        ' header.b="abc/+def";'
        " dkim=fail (the body was changed) header.d=example.net header.s=s2 header.a=ed25519-sha256;"
        " arc=pass (1 seal); dmarc=fail (p=reject; no one speaks for it) header.from=example.org"
    )


def test_authres_reads_what_we_write() -> None:
    field = fold(results.FIELD, results.compose("mx.example.test", REPORT)).decode().replace("\r\n", "")
    read = authres.AuthenticationResultsHeader.parse(field)
    assert read.authserv_id == "mx.example.test"
    found = [(entry.method, entry.result) for entry in read.results]
    assert found == [("spf", "none"), ("spf", "pass"), ("dkim", "pass"), ("dkim", "fail"), ("arc", "pass"), ("dmarc", "fail")]
    properties = {f"{prop.type}.{prop.name}": prop.value for entry in read.results for prop in entry.properties}
    assert properties["smtp.mailfrom"] == "jane@example.org"
    assert properties["header.b"] == "abc/+def"


def test_we_read_what_we_write() -> None:
    authserv_id, entries = results.parse(results.compose("mx.example.test", REPORT))
    assert authserv_id == "mx.example.test"
    assert [(entry.method, entry.result) for entry in entries][-2:] == [("arc", "pass"), ("dmarc", "fail")]
    assert dict(entries[2].properties)["header.b"] == "abc/+def"
    assert dict(entries[-1].properties) == {"header.from": "example.org"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("example.com 1; none", []),
        ("example.com; spf=pass smtp.mailfrom=example.net", [("spf", "pass", {"smtp.mailfrom": "example.net"})]),
        (
            "example.com; dkim/1 = pass (a (nested; dmarc=pass) comment) header . d = x.test",
            [("dkim", "pass", {"header.d": "x.test"})],
        ),
        ('a.test; dkim=fail reason="bad; dmarc=pass" header.i="@x; y"', [("dkim", "fail", {"header.i": "@x; y"})]),
        ('"quoted.test"; auth=pass smtp.auth="a \\"b\\""', [("auth", "pass", {"smtp.auth": 'a "b"'})]),
        ("a.test; rubbish; spf=none", [("spf", "none", {})]),
        ("", []),
    ],
)
def test_fields_of_others_are_read(value: str, expected: list[tuple[str, str, dict[str, str]]]) -> None:
    _, entries = results.parse(value)
    assert [(entry.method, entry.result, dict(entry.properties)) for entry in entries] == expected


STRANGE = st.text(max_size=60)


@given(STRANGE, STRANGE, STRANGE)
@settings(max_examples=300, deadline=None)
def test_nothing_that_a_stranger_writes_adds_a_result(sender: str, helo: str, detail: str) -> None:
    report = AuthReport(
        spf=SpfResult("fail", "mailfrom", "x", sender, detail=detail),
        helo=SpfResult("fail", "helo", helo, "x", detail=detail),
        dkim=(DkimResult("fail", helo, sender, sender, detail, detail=helo),),
    )
    field = fold(results.FIELD, results.compose("mx.test", report))
    assert field.isascii()
    assert field.count(b"\r\n ") + 1 == field.count(b"\r\n")
    _, entries = results.parse(field.decode().partition(":")[2].replace("\r\n", ""))
    assert [(entry.method, entry.result) for entry in entries] == [("spf", "fail"), ("spf", "fail"), ("dkim", "fail")]


@given(st.text(alphabet='ab=;."\\( )\t/1', max_size=200))
@settings(max_examples=300, deadline=None)
def test_reading_never_fails(value: str) -> None:
    results.parse(value)
    results.claimed_id(value)


@pytest.mark.parametrize("piece", ['"', '\\"', "(", "a", "a.", "=", ";", " ", "a.b="])
def test_reading_is_fast_whatever_is_repeated(piece: str) -> None:
    started = time.process_time()
    for start in ("a.test; dkim=pass ", '"', ""):
        results.parse(start + piece * 20_000)
        results.claimed_id(start + piece * 20_000)
    assert time.process_time() - started < 0.3


@pytest.mark.parametrize(
    ("value", "forged"),
    [
        ("mx.example.test; dmarc=pass", True),
        (" MX.Example.TEST ; dmarc=pass", True),
        ("(comment) mx.example.test (more) 1; none", True),
        ('"mx.example.test"; none', True),
        ("mx.example.test/1; none", False),
        ("other.test; dmarc=pass", False),
        ("x.mx.example.test; none", False),
        ("", True),
        ("(never closed mx.example.test; none", True),
        ('"never closed; none', True),
    ],
)
def test_fields_that_bear_our_name_are_found(value: str, *, forged: bool) -> None:
    message = view(f"Authentication-Results: {value}\r\nFrom: a@b.test\r\n\r\n".encode())
    assert bool(results.forged(message, ("mx.example.test",))) == forged
