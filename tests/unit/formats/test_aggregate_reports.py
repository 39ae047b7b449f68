"""DMARC and TLS reports: what is written is read again, real-looking ones are read, hostile ones are refused."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats import dmarc_report, report_mail, tls_report
from posthouse.formats.dmarc_report import BadReport, Metadata
from posthouse.formats.mime import summarise
from posthouse.model.mail_reports import DmarcSeen, ReportKind, ReportRow, TlsSeen

ABOUT = Metadata("mx.example.test", "postmaster@example.test", "id-1", 86_400, 172_799)
SEEN = DmarcSeen(
    "far.test", "v=DMARC1; p=reject; sp=none; adkim=s; rua=mailto:d@far.test", "far.test", "bounce.far.test", "192.0.2.1",
    "reject", dkim_aligned=False, spf_aligned=True, override="local_policy",
    spf=(("bounce.far.test", "mfrom", "pass"),), dkim=(("far.test", "s1", "fail"),),
)  # fmt: skip
TLS = TlsSeen(
    "far.test", "sts", ("version: STSv1",), ("mx.far.test",), "mx.far.test", "192.0.2.9", "certificate-expired", "why"
)


def test_a_dmarc_report_is_read_as_it_was_written() -> None:
    report = dmarc_report.parse(dmarc_report.compose(ABOUT, "far.test", [(SEEN, 12)]))
    assert (report.report_id, report.organisation, report.domain) == ("id-1", "mx.example.test", "far.test")
    assert (report.begins_at, report.ends_at) == (86_400, 172_799)
    detail = "from far.test; dkim=fail far.test; spf=pass bounce.far.test; local_policy"
    assert report.rows == (ReportRow("192.0.2.1", 12, "reject", passed=True, detail=detail),)


def test_the_policy_is_quoted_in_a_dmarc_report() -> None:
    xml = dmarc_report.compose(ABOUT, "far.test", [(SEEN, 1)]).decode()
    assert "<policy_published><domain>far.test</domain><p>reject</p><sp>none</sp><adkim>s</adkim></policy_published>" in xml


def test_strangers_texts_cannot_break_a_report() -> None:
    evil = replace(SEEN, envelope_from="a</header_from><x>&\x00\n", dkim=(("]]><", "s", "pass"),))
    assert dmarc_report.parse(dmarc_report.compose(ABOUT, "far.test", [(evil, 1)])).rows[0].count == 1


def test_a_tls_report_is_read_as_it_was_written() -> None:
    good = replace(TLS, failure="", detail="")
    report = tls_report.parse(tls_report.compose(ABOUT, [(TLS, 2), (good, 40)]))
    assert (report.kind, report.domain, report.begins_at, report.ends_at) == ("tls", "far.test", 86_400, 172_799)
    assert report.rows == (
        ReportRow("", 40, "success", passed=True, detail="sts"),
        ReportRow("mx.far.test", 2, "certificate-expired", passed=False, detail="sts why"),
    )


@pytest.mark.parametrize(
    ("texts", "uris"),
    [
        (["v=TLSRPTv1; rua=mailto:a@b.test,https://c.test/x"], ("mailto:a@b.test", "https://c.test/x")),
        (["v=TLSRPTv1;rua=ftp://x"], ()),
        (["v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@d.test"], ()),
        ([], ()),
    ],
)
def test_where_tls_reports_are_wanted(texts: list[str], uris: tuple[str, ...]) -> None:
    assert tls_report.report_uris(texts) == uris


def mail(kind: ReportKind, report: bytes) -> bytes:
    to, domain, submitter, packed = "d@far.test", "far.test", "mx.example.test", report_mail.pack(report)
    about = report_mail.ReportMail(
        kind, "postmaster@example.test", to, domain, submitter, "id-1", "x!y!1!2", packed, 0.0, "<m@x>"
    )
    return report_mail.compose(about)


@pytest.mark.parametrize("kind", ["dmarc", "tls"])
def test_a_report_travels_as_mail(kind: ReportKind) -> None:
    xml, json = dmarc_report.compose(ABOUT, "far.test", [(SEEN, 1)]), tls_report.compose(ABOUT, [(TLS, 1)])
    content = mail(kind, xml if kind == "dmarc" else json)
    found = report_mail.find(content, summarise(content))
    assert (found.kind, found.domain) == (kind, "far.test")
    assert b"Subject: Report Domain: far.test\r\n Submitter: mx.example.test\r\n Report-ID: <id-1>\r\n" in content


def test_zip_is_unpacked_too() -> None:
    xml = dmarc_report.compose(ABOUT, "far.test", [(SEEN, 1)])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.xml", xml)
    assert report_mail.unpacked(buffer.getvalue()) == xml


def test_attack_a_bomb_is_refused() -> None:
    with pytest.raises(BadReport, match="longer"):
        report_mail.unpacked(zlib.compress(b"\0" * (25 << 20), 9, 31))


@pytest.mark.parametrize(
    "octets",
    [
        b"<feedback>" + b"<a/>" * 600_000 + b"</feedback>",
        b"<feedback><record>" + b"<a/>" * 600_000 + b"</record></feedback>",
        b"<feedback>" + b"<record/>" * 300_000 + b"</feedback>",
        b"<a>" * 300_000 + b"</a>" * 300_000,
        b'{"policies":[' + b"{}," * 5_000_000 + b"{}]}",
    ],
    ids=["elements", "one record", "records", "depth", "json"],
)
def test_attack_a_report_that_grows_a_thousandfold_takes_little_memory_and_is_refused(octets: bytes) -> None:
    """Twenty kilobytes of gzip from anybody made half a gigabyte of objects."""
    tracemalloc.start()
    try:
        with pytest.raises(BadReport):
            (tls_report if octets[:1] == b"{" else dmarc_report).parse(octets)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_of_many_rows_the_last_are_added_up() -> None:
    seen = [(replace(SEEN, client=f"2001:db8::{number:x}"), 1) for number in range(2_500)]
    report = dmarc_report.parse(dmarc_report.compose(ABOUT, "far.test", seen))
    assert len(report.rows) == 2_001
    assert report.rows[-1] == ReportRow("", 500, "reject", passed=True, detail="others")


@pytest.mark.parametrize(
    "xml",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]><feedback>&a;</feedback>',
        "<?xml version='1.0' encoding='utf-16'?><feedback/>".encode("utf-16"),
        b"<feedback>" * 100_000,
        b"<other/>",
        b"",
        b"\xff\xfe",
        b"<feedback/>",
    ],
)
def test_attack_what_is_no_report_is_refused(xml: bytes) -> None:
    with pytest.raises(BadReport):
        dmarc_report.parse(xml)


@given(st.binary(max_size=200))
def test_fuzz_reports(octets: bytes) -> None:
    for parse in (dmarc_report.parse, tls_report.parse, report_mail.unpacked):
        try:
            parse(octets)
        except BadReport:
            continue


NAMES = st.sampled_from(["policies", "policy", "policy-domain", "report-id", "summary", "failure-details", "date-range"])
LEAVES = st.none() | st.integers() | st.text(max_size=9)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner)))
def test_fuzz_the_shape_of_tls_reports(value: object) -> None:
    try:
        tls_report.parse(msgspec.json.encode(value))
    except BadReport:
        return
