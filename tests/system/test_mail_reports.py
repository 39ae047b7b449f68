"""Reports on running nodes: strangers' mail is counted or told of, and reports that come in are read and shown. Row MON-5."""

from __future__ import annotations

import email
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import dkim  # type: ignore[import-untyped]
import pytest

from posthouse.formats import dmarc_report, report_mail, tls_report
from posthouse.formats.dmarc_report import Metadata
from posthouse.model.mail_reports import DmarcSeen, ReportKind, TlsSeen
from support.clients import Wire, proxy_v1
from support.knot import Knot
from support.node import Node, running, until
from support.scripted_host import Heard, ScriptedHost, in_background

JANE = "jane@example.test"
STRANGER = "192.0.2.50"
RECORDS = {
    ("bank.test", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    ("bank.test", "MX"): ["10 mx.bank.test"],
    ("mx.bank.test", "A"): ["127.0.0.1"],
    ("_dmarc.bank.test", "TXT"): ["v=DMARC1; p=reject; rua=mailto:dmarc@bank.test"],
    ("shop.test", "TXT"): ["v=spf1 ip4:192.0.2.77 -all"],
    ("_dmarc.shop.test", "TXT"): ["v=DMARC1; p=reject; ruf=mailto:ruf@bank.test,mailto:x@victim.test; fo=0"],
    ("shop.test._report._dmarc.bank.test", "TXT"): ["v=DMARC1"],
    ("victim.test", "MX"): ["10 mx.bank.test"],
    ("evil.test", "MX"): ["10 mx.bank.test"],
}
ABOUT = Metadata("mx.bank.test", "noreply@bank.test", "id-7", 1_790_000_000, 1_790_086_399)
SEEN = DmarcSeen(
    "example.test", "v=DMARC1; p=none", "example.test", "example.test", "203.0.113.9", "none",
    dkim_aligned=False, spf_aligned=False,
)  # fmt: skip
TLS = TlsSeen("example.test", "sts", (), (), "mx.example.test", "192.0.2.1", "certificate-expired", "")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("reports")
    with Knot(folder / "knot", RECORDS) as knot, running(folder / "node", workers=1, extra=knot.toml) as started:
        started.run("setting", "set", "reports.addresses", JANE)
        started.run("setting", "set", "smtp.proxy_networks", "127.0.0.1/32")
        started.run("setting", "set", "smtp.tarpit_s", "0")
        until(lambda: send(started, b"Subject: x\r\n\r\nx\r\n", "bob@bank.test").startswith(b"250"))
        yield started


def send(node: Node, content: bytes, sender: str, client: str = STRANGER, to: str = JANE) -> bytes:
    with Wire(node.ports["smtp"], first=proxy_v1(client)) as wire:
        wire.line()
        for line in ("HELO mx.bank.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
            wire.send(line)
            said = wire.line()
            if said[:1] not in b"23":
                return said
        wire.send(content + b".\r\n")
        return wire.line()


def send_report(node: Node, kind: ReportKind, report: bytes) -> str:
    """Gives its trace id."""
    packed = report_mail.pack(report)
    mail = report_mail.ReportMail(
        kind,
        "noreply@bank.test",
        JANE,
        "example.test",
        "mx.bank.test",
        "id-7",
        "report",
        packed,
        1_790_090_000.0,
        "<r@bank.test>",
    )
    reply = send(node, report_mail.compose(mail), "noreply@bank.test")
    assert reply.startswith(b"250"), reply
    return reply.split()[-1].decode()


@pytest.mark.spec_part("MON-5")
def test_a_dmarc_report_that_comes_in_is_read_and_shown(node: Node) -> None:
    trace_id = send_report(node, "dmarc", dmarc_report.compose(ABOUT, "example.test", [(SEEN, 42)]))
    [row] = node.json("report", "list", "example.test", "--kind", "dmarc", "--days", "9999")
    assert (row["organisation"], row["messages"], row["passed"], row["trusted"]) == ("mx.bank.test", 42, 0, True)
    [source] = node.json("report", "show", "example.test", "--days", "9999")
    assert (source["source"], source["messages"], source["results"]) == ("203.0.113.9", 42, "none")
    assert "a dmarc report of mx.bank.test about example.test" in node.run("mail", "trace", trace_id).stdout


@pytest.mark.spec_part("MON-5")
def test_a_tls_report_that_comes_in_is_read_and_shown(node: Node) -> None:
    send_report(node, "tls", tls_report.compose(ABOUT, [(TLS, 3)]))
    [source] = node.json("report", "show", "example.test", "--kind", "tls", "--days", "9999")
    assert (source["source"], source["messages"], source["results"]) == ("mx.example.test", 3, "certificate-expired")


COMPLAINT = (
    b"From: <fbl@bank.test>\r\nTo: <jane@example.test>\r\nSubject: FW: news\r\nMessage-ID: <%s@bank.test>\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nThis is a complaint.\r\n"
    b"--b\r\nContent-Type: message/feedback-report\r\n\r\n"
    b"Feedback-Type: abuse\r\nUser-Agent: BankFBL/1\r\nVersion: 1\r\nOriginal-Rcpt-To: <%s>\r\nSource-IP: 192.0.2.1\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: Jane <jane@example.test>\r\nTo: list@example.test\r\nSubject: news\r\n"
    b"Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <n1@example.test>\r\n\r\nNews!\r\n--b--\r\n"
)


@pytest.mark.spec_part("MON-5")
def test_a_complaint_is_shown_and_lists_send_to_who_complained_no_more(node: Node) -> None:
    assert send(node, COMPLAINT % (b"c1", b"eve@bank.test"), "fbl@bank.test").startswith(b"250")
    row = next(row for row in complaints(node) if row["source"] == "eve@bank.test")
    assert (row["source"], row["results"], row["detail"]) == ("eve@bank.test", "abuse", "<n1@example.test>; news; 192.0.2.1")
    [row] = node.json("suppression", "list")
    assert (row["address"], row["why"]) == ("eve@bank.test", "complained (abuse), as bank.test reports")


def test_attack_a_site_takes_nobody_elses_users_off_a_list(node: Node) -> None:
    assert send(node, COMPLAINT % (b"c3", b"victim@other.test"), "fbl@bank.test").startswith(b"250")
    until(lambda: any(row["source"] == "victim@other.test" for row in complaints(node)))
    assert "victim@other.test" not in [row["address"] for row in node.json("suppression", "list")]


def complaints(node: Node) -> list[dict[str, object]]:
    done = node.run("report", "show", "example.test", "--kind", "feedback", "--days", "9999", "--json", check=False)
    rows: list[dict[str, object]] = json.loads(done.stdout) if done.returncode == 0 else []
    return rows


def test_attack_a_complaint_of_who_knows_whom_suppresses_nobody(node: Node) -> None:
    forged = COMPLAINT.replace(b"fbl@bank.test", b"fbl@nobody.test") % (b"c2", b"victim@bank.test")
    assert send(node, forged, "fbl@bank.test").startswith(b"250")
    assert "victim@bank.test" not in [row["address"] for row in node.json("suppression", "list")]


def test_attack_a_report_that_cannot_be_read_is_mail_like_any_other(node: Node) -> None:
    trace_id = send_report(node, "dmarc", b"<!DOCTYPE x [<!ENTITY a 'b'>]><feedback>&a;</feedback>")
    assert "not taken as a report" in node.run("mail", "trace", trace_id).stdout


def test_attack_a_report_from_the_end_of_time_does_not_keep_administrators_from_the_list(node: Node) -> None:
    """It stood on top for ever, and no calendar knows its date."""
    late = replace(ABOUT, report_id="id-late", organisation="late.test", begins_at=0, ends_at=99_999_999_999_999)
    send_report(node, "dmarc", dmarc_report.compose(late, "example.test", [(SEEN, 1)]))
    rows = node.json("report", "list", "example.test", "--days", "9999")
    [ends] = [str(row["ends"]) for row in rows if row["organisation"] == "late.test"]
    at = datetime.strptime(ends, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert at - datetime.now(UTC) < timedelta(days=1, minutes=1)


def test_reports_about_a_domain_that_nobody_sent_are_not_found(node: Node) -> None:
    node.run("domain", "add", "other.test")
    done = node.run("report", "show", "other.test", check=False)
    assert done.returncode == 1 and "no dmarc report about other.test" in done.stderr


@pytest.mark.spec_part("MON-5")
def test_a_domain_is_told_how_mail_in_its_name_fared(node: Node) -> None:
    forged = b"From: ceo@bank.test\r\nTo: jane@example.test\r\nSubject: pay\r\n\r\nNow.\r\n"
    good = forged.replace(b"ceo@", b"bob@")
    with in_background(bank := ScriptedHost()):
        node.run("setting", "set", "queue.port", str(bank.port))
        node.run("setting", "set", "queue.allow_loopback", "on")
        node.run("report", "send", "--today")  # what other tests did
        assert send(node, good, "bob@bank.test").startswith(b"250")
        assert send(node, good, "bob@bank.test").startswith(b"250")
        assert send(node, forged, "", client="198.51.100.9").startswith(b"250"), "marked only, unless policies are enforced"
        until(lambda: node.json("report", "send", "--today")["sent"] == 1)
        until(lambda: any(b"Report Domain: bank.test" in heard.content for heard in bank.heard))
        heard = bank.heard[-1]
    assert "<dmarc@bank.test>" in heard.recipients[0]
    message = email.message_from_bytes(heard.content)
    packed = next(part for part in message.walk() if part.get_content_type() == "application/gzip").get_payload(decode=True)
    assert isinstance(packed, bytes)
    text = re.sub(r' xmlns="[^"]*"', "", gzip.decompress(packed).decode())
    feedback = ElementTree.fromstring(text)
    assert feedback.findtext("policy_published/domain") == "bank.test"
    rows = {row.findtext("row/source_ip"): row for row in feedback.findall("record")}
    assert rows[STRANGER].findtext("row/count") == "2"
    assert rows[STRANGER].findtext("row/policy_evaluated/spf") == "pass"
    assert rows["198.51.100.9"].findtext("row/policy_evaluated/spf") == "fail"
    assert rows["198.51.100.9"].findtext("row/policy_evaluated/disposition") == "none"


@pytest.mark.spec("MON-5")
def test_a_domain_is_told_of_a_forged_message_and_the_report_is_read_where_it_arrives(node: Node) -> None:
    """The last of the row's parts; the tests above show aggregate and TLS reports, both ways."""
    node.run("alias", "add", "post@example.test", JANE)
    record = node.json("dkim", "add", "example.test")
    node.run("dkim", "rotate", "example.test")
    forged = (
        b"From: Boss <boss@shop.test>\r\nTo: post@example.test\r\nSubject: secret\r\nMessage-ID: <m9@shop.test>\r\n\r\nPay.\r\n"
    )
    with in_background(bank := ScriptedHost()):
        node.run("setting", "set", "queue.port", str(bank.port))
        node.run("setting", "set", "queue.allow_loopback", "on")
        assert send(node, forged, "ann@evil.test", to="post@example.test").startswith(b"250")
        node.run("report", "send")
        assert not failure_reports(bank), "they are off unless an administrator wants them"
        node.run("setting", "set", "reports.failures", "on")
        until(lambda: told_of(node, forged, bank))
        heard = failure_reports(bank)[0]
    assert heard.sender.startswith("MAIL FROM:<>") and "<ruf@bank.test>" in heard.recipients[0]
    text = dkim_record(record["zone_line"])
    assert dkim.verify(heard.content, dnsfunc=lambda *_, **__: text)
    message = email.message_from_bytes(heard.content)
    said = next(part for part in message.walk() if part["Feedback-Type"])
    assert (said["Feedback-Type"], said["Auth-Failure"], said["Reported-Domain"]) == ("auth-failure", "dmarc", "shop.test")
    assert (said["Source-IP"], said["Original-Mail-From"]) == (STRANGER, "<redacted@evil.test>")
    for secret in (b"post@", b"jane", b"Pay.", b"Subject: secret"):
        assert secret not in heard.content.partition(b"feedback-report")[2], secret

    node.run("domain", "add", "shop.test")  # as its own node would see it
    assert send(node, heard.content, "", client=STRANGER).startswith(b"250")
    until(lambda: node.json("report", "list", "shop.test", "--kind", "failure", "--days", "9999"))
    [row] = node.json("report", "show", "shop.test", "--kind", "failure", "--days", "9999")
    assert (row["source"], row["passed"], row["results"]) == (STRANGER, 0, "dmarc") and row["messages"] >= 1
    assert "from boss@shop.test" in row["detail"] and "<m9@shop.test>" in row["detail"]


def told_of(node: Node, forged: bytes, bank: ScriptedHost) -> bool:
    """Sends it again until the new setting has reached the worker, and a report has come."""
    if not failure_reports(bank):
        send(node, forged, "ann@evil.test", to="post@example.test")
        node.run("report", "send")
    return bool(failure_reports(bank))


def failure_reports(bank: ScriptedHost) -> list[Heard]:
    return [heard for heard in bank.heard if b"feedback-report" in heard.content]


def dkim_record(zone_line: str) -> bytes:
    return "".join(re.findall(r'"([^"]*)"', zone_line)).encode()
