"""Reports of single messages that failed authentication: AFRF, a form of ARF (RFC 6591, RFC 5965, RFC 9991; RFC 7489 §7.3).

Written and read here. What is shown of a message is a choice of its header's fields: those that tell who sent it, and which
way it came. Addresses outside of the author's domain lose their local part (RFC 6590 says why), and no text goes along. What a
stranger sends is bounded, and printable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from posthouse.formats import dates
from posthouse.formats.dmarc_report import BadReport
from posthouse.formats.feedback import address, fields
from posthouse.formats.mime.sections import decoded
from posthouse.model.mail_reports import FailureSeen, ReceivedReport, ReportRow
from posthouse.model.summary import Part, Summary

SHOWN = frozenset(
    {
        "date",
        "from",
        "sender",
        "message-id",
        "received",
        "dkim-signature",
        "list-id",
        "feedback-id",
        "mime-version",
        "user-agent",
    }
)
MAX_HEADER = 16 << 10
MAX_INCIDENTS = 1_000_000
_MAX_RECEIVED = 20
_ADDRESS = re.compile(rb"[^\s<>()\[\]\"',;:=@]{1,128}@([A-Za-z0-9.\-\x80-\xff]{1,255}|\[[^\]\s]{1,80}\])")
_QUOTED = re.compile(rb'"(?:[^"\\\r\n]|\\.){1,128}"@')
_CLEAN = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Letter:
    """Who reports to whom. ``incidents`` is for how many messages of this kind one report stands; ``spf_record`` is the text at
    the domain that SPF was asked about, "" if it is not known."""

    sender: str
    to: str
    submitter: str
    message_id: str
    at: float
    incidents: int = 1
    spf_record: str = ""


def compose(letter: Letter, seen: FailureSeen) -> bytes:
    """The message, with CRLF line ends; 8-bit only if the header shown is."""
    boundary = f"failure-{letter.message_id.strip('<>').partition('@')[0]}"
    machine = "\r\n".join(f"{name}: {_clean(value)}" for name, value in _machine(letter, seen))
    more = f" It stands for {letter.incidents} messages of this kind." if letter.incidents > 1 else ""
    eight = [] if seen.header.isascii() else ["Content-Transfer-Encoding: 8bit"]
    lines = [
        f"Date: {dates.render(letter.at)}",
        f"From: <{letter.sender}>",
        f"To: <{letter.to}>",
        f"Subject: Authentication failure report for {seen.author}",
        f"Message-ID: {letter.message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=feedback-report;\r\n boundary="{boundary}"',
        *eight,
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is a report of {letter.submitter} about a message in the name of",
        f"{seen.author}, which came from {seen.client}.{more}",
        f"The record of {seen.policy_domain} asks for it. Addresses are made unreadable.",
        "",
        f"--{boundary}",
        "Content-Type: message/feedback-report",
        "",
        machine,
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        *eight,
        "",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "replace") + seen.header + f"\r\n--{boundary}--\r\n".encode()


def _machine(letter: Letter, seen: FailureSeen) -> Iterable[tuple[str, str]]:
    """The fields for programs."""
    yield from (
        ("Feedback-Type", "auth-failure"),
        ("User-Agent", "Posthouse/1"),
        ("Version", "1"),
        ("Original-Mail-From", f"<{seen.mail_from}>"),
        ("Arrival-Date", dates.render(seen.at)),
        ("Source-IP", seen.client),
        ("Reported-Domain", seen.author),
        ("Reporting-MTA", f"dns; {letter.submitter}"),
        ("Auth-Failure", seen.failure),
        ("Authentication-Results", f"{letter.submitter}; {seen.results}"),
        ("Identity-Alignment", ", ".join(seen.aligned) or "none"),
        ("Delivery-Result", "reject" if seen.refused else "other"),
    )
    if letter.incidents > 1:
        yield "Incidents", str(letter.incidents)
    domain, identity, selector = seen.signature
    if domain:
        yield from (("DKIM-Domain", domain), ("DKIM-Identity", identity or f"@{domain}"), ("DKIM-Selector", selector))
    if letter.spf_record:
        record = letter.spf_record.replace("\\", "\\\\").replace('"', '\\"')
        yield "SPF-DNS", f'txt : {seen.spf_domain} : "{record}"'


def redacted(raw_fields: Iterable[tuple[str, bytes]], domain: str) -> bytes:
    """What a report shows of a header: ``raw_fields`` as (name in lower case, whole field), in order. Addresses of ``domain``
    and below stay as they are: it is told of its own."""
    out, received = bytearray(), 0
    for name, raw in raw_fields:
        received += name == "received"
        if name not in SHOWN or (name == "received" and received > _MAX_RECEIVED):
            continue
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        if len(out) + len(raw) > MAX_HEADER:
            break
        out += raw if name == "message-id" else _ADDRESS.sub(_veil(domain), _QUOTED.sub(b"redacted@", raw))
    return bytes(out)


def redacted_address(text: str, domain: str) -> str:
    """One address, as ``redacted`` shows it."""
    local, at, where = text.rpartition("@")
    return text if not at or _within(where.lower(), domain) or not local else f"redacted@{where}"


def _veil(domain: str) -> Callable[[re.Match[bytes]], bytes]:
    def veiled(match: re.Match[bytes]) -> bytes:
        own = _within(match[1].decode("latin-1").lower(), domain)
        return match[0] if own else b"redacted@" + match[1]

    return veiled


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def parse(content: bytes, summary: Summary) -> ReceivedReport | None:
    """One row; None for an ARF report that is about something else. Raises BadReport."""
    parts: dict[str, Part] = {}
    for part in summary.root.children:
        parts.setdefault(f"{part.type}/{part.subtype}".lower(), part)
    machine = parts.get("message/feedback-report")
    said = fields(decoded(content, machine)) if machine is not None else {}
    if said.get("feedback-type", "").lower() != "auth-failure":
        return None
    original = next(
        (parts[kind] for kind in ("text/rfc822-headers", "message/rfc822", "message/global") if kind in parts), None
    )
    shown = decoded(content, original)[: 256 << 10] if original is not None else b""
    about = fields(shown.replace(b"\r\n", b"\n").partition(b"\n\n")[0])
    author = address(about.get("from", ""))
    domain = author.rpartition("@")[2] or said.get("reported-domain", "").lower().strip(". ")
    if not domain:
        raise BadReport("it does not say in whose name the message was")
    at = int(dates.parse(said.get("arrival-date", "")) or summary.sent_at or 0)
    row = ReportRow(
        said.get("source-ip", "") or "unknown",
        _incidents(said.get("incidents", "")),
        said.get("auth-failure", "").lower() or "unknown",
        passed=False,
        detail="; ".join(text for text in _details(author or domain, said, about) if text)[:500],
    )
    organisation = said.get("reporting-mta", "").rpartition(";")[2].strip() or said.get("user-agent", "") or "unknown"
    report_id = summary.message_id or f"{at} {row.source} {about.get('message-id', '')}"
    return ReceivedReport("failure", report_id, organisation, domain, at, at, (row,))


def _details(author: str, said: dict[str, str], about: dict[str, str]) -> Iterable[str]:
    """How it failed, and which message that was."""
    yield f"from {author}"
    yield said.get("authentication-results", "").partition(";")[2].strip()
    for name, word in (("identity-alignment", "aligned"), ("delivery-result", "result"), ("original-mail-from", "sender")):
        if said.get(name):
            yield f"{word} {said[name]}"
    if said.get("dkim-domain"):
        yield f"signature of {said['dkim-domain']} {said.get('dkim-selector', '')}".strip()
    yield about.get("subject", "")
    yield about.get("message-id", "")


def _incidents(text: str) -> int:
    return max(1, min(int(text), MAX_INCIDENTS)) if re.fullmatch(r"[0-9]{1,9}", text) else 1


def _clean(value: str) -> str:
    return _CLEAN.sub("?", value)[:900]
