"""TLS reports: the JSON that sites send each other (RFC 8460 §4). Written and read here."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from posthouse.formats.dmarc_report import MAX_ROWS, BadReport, Metadata
from posthouse.model.mail_reports import ReceivedReport, ReportRow, TlsSeen

MAX_BYTES = 2 << 20
"""Of JSON, which takes twenty times as much in memory."""
_MAX_TEXT = 256
_MAX_POLICIES = 1_000


def report_uris(texts: Sequence[str]) -> tuple[str, ...]:
    """Where a domain wants its reports, by the TXT records of ``_smtp._tls.DOMAIN`` (RFC 8460 §3): mailto: and https: ones."""
    found = [text for text in texts if re.match(r"v=TLSRPTv1\s*;", text)]
    if len(found) != 1:
        return ()
    for part in found[0].split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip() == "rua":
            uris = [uri.strip() for uri in value.split(",")]
            return tuple(uri for uri in uris if uri.lower().startswith(("mailto:", "https:")))[:10]
    return ()


def compose(about: Metadata, seen: Sequence[tuple[TlsSeen, int]]) -> bytes:
    """The report about one domain, a policy an entry."""
    policies: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[tuple[TlsSeen, int]]] = defaultdict(list)
    for entry, count in seen:
        policies[entry.kind, entry.domain, entry.lines, entry.hosts].append((entry, count))
    report = {
        "organization-name": about.organisation,
        "date-range": {"start-datetime": _moment(about.begins_at), "end-datetime": _moment(about.ends_at)},
        "contact-info": about.email,
        "report-id": about.report_id,
        "policies": [_policy(key, entries) for key, entries in policies.items()],
    }
    return msgspec.json.encode(report)


def _policy(
    key: tuple[str, str, tuple[str, ...], tuple[str, ...]], entries: Sequence[tuple[TlsSeen, int]]
) -> dict[str, object]:
    kind, domain, lines, hosts = key
    policy: dict[str, object] = {"policy-type": kind, "policy-domain": domain}
    if lines:
        policy["policy-string"] = list(lines)
    if hosts:
        policy["mx-host"] = list(hosts)
    failed = [
        {
            "result-type": entry.failure,
            **({"receiving-mx-hostname": entry.host} if entry.host else {}),
            **({"receiving-ip": entry.address} if entry.address else {}),
            "failed-session-count": count,
            **({"failure-reason-code": entry.detail[:_MAX_TEXT]} if entry.detail else {}),
        }
        for entry, count in entries
        if entry.failure
    ]
    good = sum(count for entry, count in entries if not entry.failure)
    bad = sum(count for entry, count in entries if entry.failure)
    summary = {"total-successful-session-count": good, "total-failure-session-count": bad}
    return {"policy": policy, "summary": summary, **({"failure-details": failed} if failed else {})}


def parse(octets: bytes) -> ReceivedReport:
    """Raises BadReport."""
    if len(octets) > MAX_BYTES:
        raise BadReport(f"it is longer than {MAX_BYTES} octets")
    try:
        report = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReport(f"it is not JSON: {error}") from None
    if not isinstance(report, dict) or not isinstance(report.get("policies"), list):
        raise BadReport("it is not a TLS report")
    policies = [each for each in report["policies"][:_MAX_POLICIES] if isinstance(each, dict)]
    domains = [_text(_inner(each, "policy"), "policy-domain").lower() for each in policies]
    span = _inner(report, "date-range")
    report_id, domain = _text(report, "report-id"), next((name for name in domains if name), "")
    if not report_id or not domain:
        raise BadReport("it names no domain or no id")
    rows = tuple(itertools.islice((row for each in policies for row in _rows(each)), MAX_ROWS))
    begins, ends = (_seconds(_text(span, name)) for name in ("start-datetime", "end-datetime"))
    return ReceivedReport("tls", report_id, _text(report, "organization-name"), domain, begins, ends, rows)


def _rows(policy: dict[str, Any]) -> list[ReportRow]:
    kind = _text(_inner(policy, "policy"), "policy-type")
    rows = []
    if good := _count(_inner(policy, "summary"), "total-successful-session-count"):
        rows.append(ReportRow("", good, "success", passed=True, detail=kind))
    details = policy.get("failure-details")
    for each in details[:MAX_ROWS] if isinstance(details, list) else ():
        if isinstance(each, dict):
            host = _text(each, "receiving-mx-hostname") or _text(each, "receiving-ip")
            detail = " ".join(word for word in (kind, _text(each, "failure-reason-code")) if word)
            rows.append(
                ReportRow(host, _count(each, "failed-session-count"), _text(each, "result-type"), passed=False, detail=detail)
            )
    return rows


def _inner(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return "".join(char if char.isprintable() else " " for char in found[:_MAX_TEXT]) if isinstance(found, str) else ""


def _count(value: dict[str, Any], name: str) -> int:
    found = value.get(name)
    return found if isinstance(found, int) and 0 <= found < 1 << 50 else 0


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
