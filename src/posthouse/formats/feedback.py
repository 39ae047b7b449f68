"""Complaints of other sites about a message of ours: ARF reports (RFC 5965), as feedback loops send them. Reports of failed
authentication travel in the same form; those are ``failure_report``'s."""

from __future__ import annotations

import re

from posthouse.formats import addresslist, dates
from posthouse.formats.dmarc_report import BadReport
from posthouse.formats.headers import unfold
from posthouse.formats.mime.sections import decoded
from posthouse.model.mail_reports import ReceivedReport, ReportRow
from posthouse.model.summary import Part, Summary

_MAX_TEXT = 256
_FIELD = re.compile(rb"^([A-Za-z0-9-]{1,64}):[ \t]*((?:[^\r\n]|\r?\n[ \t])*)", re.MULTILINE)


def is_feedback(root: Part) -> bool:
    """Whether a message says that it is such a report."""
    kind = dict(root.params).get("report-type", "").lower()
    return root.type.lower() == "multipart" and root.subtype.lower() == "report" and kind == "feedback-report"


def parse(content: bytes, summary: Summary) -> ReceivedReport:
    """One row: ``source`` is the recipient who complained ("" if it is not told), ``result`` the kind of complaint, ``detail``
    the message. The domain is that of the message's author. Raises BadReport."""
    parts = {f"{part.type}/{part.subtype}".lower(): part for part in summary.root.children}
    machine = parts.get("message/feedback-report")
    original = parts.get("message/rfc822") or parts.get("text/rfc822-headers")
    if machine is None or original is None:
        raise BadReport("it has not the parts of a feedback report")
    said = fields(decoded(content, machine))
    about = fields(decoded(content, original)[: 256 << 10].replace(b"\r\n", b"\n").partition(b"\n\n")[0])
    recipient = address(said.get("original-rcpt-to", "") or about.get("to", ""))
    author = address(about.get("from", "")) or address(said.get("original-mail-from", ""))
    kind = said.get("feedback-type", "").lower()
    if not kind or not author:
        raise BadReport("it says neither what it is about nor whose message")
    message_id = about.get("message-id", "")
    at = int(dates.parse(about.get("date", "")) or summary.sent_at or 0)
    details = (message_id, about.get("subject", ""), said.get("source-ip", ""))
    row = ReportRow(recipient, 1, kind, passed=kind == "not-spam", detail="; ".join(text for text in details if text)[:500])
    organisation = said.get("reported-domain", "") or said.get("user-agent", "") or "unknown"
    report_id = summary.message_id or message_id
    return ReceivedReport("feedback", report_id, organisation, author.rpartition("@")[2], at, at, (row,))


def fields(octets: bytes) -> dict[str, str]:
    """The first field of each name (lower case), bounded, in printable characters."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(octets[: 256 << 10]):
        text = unfold(match[2])[:_MAX_TEXT].strip()
        clean = "".join(char if char.isprintable() else " " for char in text)
        found.setdefault(match[1].decode("ascii").lower(), clean)
    return found


def address(text: str) -> str:
    """The first address in a field, in lower case; "" if there is none."""
    bare = text.strip().strip("<>")
    for _, local, domain in addresslist.entries(bare if "@" in bare else text):
        if local and domain:
            return f"{local}@{domain}".lower()
    return ""
