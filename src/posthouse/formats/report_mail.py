"""Aggregate reports as mail: how one travels (RFC 7489 §7.2.1.1, RFC 8460 §5.3), and finding it in a message that came in.

What a stranger packs is unpacked to a bound, and nothing is unpacked twice.
"""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from posthouse.formats import dates, dmarc_report, failure_report, feedback, tls_report
from posthouse.formats.dmarc_report import BadReport
from posthouse.formats.mime.sections import decoded, filename
from posthouse.model.mail_reports import ReceivedReport, ReportKind
from posthouse.model.summary import Part, Summary

MAX_UNPACKED_BYTES = 20 << 20
MAX_PARTS = 20
_UNPACKING = (zlib.error, zipfile.BadZipFile, OSError, ValueError, IndexError, RuntimeError, EOFError)
"""What unpacking raises for what is not packed, or is packed in a way that is not known."""


@dataclass(frozen=True, slots=True)
class ReportMail:
    """``packed`` is the report gzipped; ``name`` its file's name without the ending."""

    kind: ReportKind
    sender: str
    to: str
    domain: str
    submitter: str
    report_id: str
    name: str
    packed: bytes
    at: float
    message_id: str


def pack(report: bytes) -> bytes:
    """gzip, the same octets for the same report."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(report) + packer.flush()


def compose(mail: ReportMail) -> bytes:
    """The message, 7-bit, with CRLF line ends."""
    tls = mail.kind == "tls"
    boundary = f"report-{mail.report_id}"
    outer = 'multipart/report; report-type="tlsrpt";' if tls else "multipart/mixed;"
    media, ending = ("application/tlsrpt+gzip", "json.gz") if tls else ("application/gzip", "xml.gz")
    own = [f"TLS-Report-Domain: {mail.domain}", f"TLS-Report-Submitter: {mail.submitter}"] if tls else []
    what = "TLS with the hosts that take its mail" if tls else "mail in its name"
    encoded = base64.encodebytes(mail.packed).decode("ascii").replace("\n", "\r\n")
    lines = [
        f"Date: {dates.render(mail.at)}",
        f"From: <{mail.sender}>",
        f"To: <{mail.to}>",
        f"Subject: Report Domain: {mail.domain}\r\n Submitter: {mail.submitter}\r\n Report-ID: <{mail.report_id}>",
        f"Message-ID: {mail.message_id}",
        *own,
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: {outer}\r\n boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is a report of {mail.submitter} about {mail.domain}: {what}.",
        "",
        f"--{boundary}",
        f"Content-Type: {media}",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{mail.name}.{ending}"',
        "",
        encoded.rstrip(),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "replace")


def find(content: bytes, summary: Summary) -> ReceivedReport:
    """The first report in a message. Raises BadReport, with the reason of the last part that could have been one."""
    if feedback.is_feedback(summary.root):
        return failure_report.parse(content, summary) or feedback.parse(content, summary)
    problem = "no part of it is a report"
    for part in _leaves(summary.root, [MAX_PARTS]):
        kind = _kind(part)
        if not kind:
            continue
        try:
            octets = unpacked(decoded(content, part))
            return tls_report.parse(octets) if kind == "tls" or octets.lstrip()[:1] == b"{" else dmarc_report.parse(octets)
        except BadReport as error:
            problem = str(error)
    raise BadReport(problem)


def unpacked(octets: bytes) -> bytes:
    """Of gzip or ZIP, or as it is. Raises BadReport."""
    try:
        if octets[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(31)
            found = unpacker.decompress(octets, MAX_UNPACKED_BYTES + 1)
        elif octets[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(octets)) as archive, archive.open(archive.infolist()[0]) as member:
                found = member.read(MAX_UNPACKED_BYTES + 1)
        else:
            found = octets
    except (
        zlib.error,
        zipfile.BadZipFile,
        OSError,
        ValueError,
        IndexError,
        RuntimeError,
        NotImplementedError,
        EOFError,
    ) as error:
        raise BadReport(f"it cannot be unpacked: {error}") from None
    if len(found) > MAX_UNPACKED_BYTES:
        raise BadReport(f"it is longer than {MAX_UNPACKED_BYTES} octets")
    return found


def _leaves(part: Part, budget: list[int]) -> Iterator[Part]:
    if not part.children:
        budget[0] -= 1
        yield part
    for child in part.children:
        if budget[0] > 0:
            yield from _leaves(child, budget)


def _kind(part: Part) -> ReportKind | None:
    name, media = filename(part).lower(), f"{part.type}/{part.subtype}".lower()
    if media.startswith("application/tlsrpt") or name.endswith((".json", ".json.gz")):
        return "tls"
    if media in ("text/xml", "application/xml", "application/gzip", "application/x-gzip", "application/zip") or (
        name.endswith((".xml", ".xml.gz", ".gz", ".zip"))
    ):
        return "dmarc"
    return None
