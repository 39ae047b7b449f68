"""DMARC aggregate reports: the XML that sites send each other (RFC 7489 Appendix C, RFC 9990). Written and read here; what a
stranger sends is bounded in size and depth, and may define nothing (no DTD).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from posthouse.model.mail_reports import DmarcSeen, ReceivedReport, ReportRow

MAX_RECORDS = 20_000
_MAX_TEXT = 256
_PUBLISHED = ("p", "sp", "np", "adkim", "aspf", "fo", "t", "pct")
_DECLARATION = re.compile(rb"<!(?!--|\[CDATA\[)")


class BadReport(ValueError):
    """Not a report; says why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who reports, about which span of time (seconds since 1970)."""

    organisation: str
    email: str
    report_id: str
    begins_at: int
    ends_at: int


def compose(about: Metadata, policy_domain: str, seen: Sequence[tuple[DmarcSeen, int]]) -> bytes:
    """The report in UTF-8."""
    published = "".join(_element(name, value) for name, value in _published(seen[0][0].record if seen else ""))
    span = _element("begin", str(about.begins_at)) + _element("end", str(about.ends_at))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<feedback>",
        "<version>1.0</version>",
        "<report_metadata>"
        + _element("org_name", about.organisation)
        + _element("email", about.email)
        + _element("report_id", about.report_id)
        + f"<date_range>{span}</date_range></report_metadata>",
        f"<policy_published>{_element('domain', policy_domain)}{published}</policy_published>",
        *(_record(entry, count) for entry, count in seen),
        "</feedback>",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _record(seen: DmarcSeen, count: int) -> str:
    why = f"<reason>{_element('type', seen.override)}</reason>" if seen.override else ""
    evaluated = (
        _element("disposition", seen.disposition)
        + _element("dkim", "pass" if seen.dkim_aligned else "fail")
        + _element("spf", "pass" if seen.spf_aligned else "fail")
        + why
    )
    row = f"{_element('source_ip', seen.client)}{_element('count', str(count))}<policy_evaluated>{evaluated}</policy_evaluated>"
    sender = _element("envelope_from", seen.envelope_from) if seen.envelope_from else ""
    results = "".join(
        f"<dkim>{_element('domain', domain)}{_element('selector', selector)}{_element('result', result)}</dkim>"
        for domain, selector, result in seen.dkim
    ) + "".join(
        f"<spf>{_element('domain', domain)}{_element('scope', scope)}{_element('result', result)}</spf>"
        for domain, scope, result in seen.spf
    )
    identifiers = f"<identifiers>{sender}{_element('header_from', seen.header_from)}</identifiers>"
    return f"<record><row>{row}</row>{identifiers}<auth_results>{results}</auth_results></record>"


def _published(record: str) -> list[tuple[str, str]]:
    found = {part.partition("=")[0].strip().lower(): part.partition("=")[2].strip() for part in record.split(";")}
    return [("testing" if name == "t" else name, found[name]) for name in _PUBLISHED if found.get(name)]


def _element(name: str, text: str) -> str:
    clean = "".join(char for char in text if char.isprintable())[:_MAX_TEXT]
    return f"<{name}>{escape(clean)}</{name}>"


def parse(xml: bytes) -> ReceivedReport:
    """Lenient about what may be missing, as real reports lack much. Raises BadReport."""
    if b"\0" in xml or _DECLARATION.search(xml):
        raise BadReport("it is not plain XML in UTF-8")
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - declarations were refused above, so nothing can be defined
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadReport(f"it is not XML: {error}") from None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    if root.tag != "feedback":
        raise BadReport("it is not a DMARC report")
    records = root.findall("record")
    domain = _text(root, "policy_published/domain").lower()
    report_id = _text(root, "report_metadata/report_id")
    if not domain or not report_id:
        raise BadReport("it names no domain or no id")
    return ReceivedReport(
        "dmarc",
        report_id,
        _text(root, "report_metadata/org_name"),
        domain,
        _number(root, "report_metadata/date_range/begin"),
        _number(root, "report_metadata/date_range/end"),
        tuple(_row(record) for record in records[:MAX_RECORDS]),
    )


def _row(record: ElementTree.Element) -> ReportRow:
    dkim, spf = (_text(record, f"row/policy_evaluated/{name}") for name in ("dkim", "spf"))
    checked = [f"dkim={_text(found, 'result')} {_text(found, 'domain')}" for found in record.findall("auth_results/dkim")[:5]]
    checked += [f"spf={_text(found, 'result')} {_text(found, 'domain')}" for found in record.findall("auth_results/spf")[:2]]
    reason = _text(record, "row/policy_evaluated/reason/type")
    said = [f"from {_text(record, 'identifiers/header_from')}", *checked, *([reason] if reason else [])]
    return ReportRow(
        _text(record, "row/source_ip"),
        _number(record, "row/count"),
        _text(record, "row/policy_evaluated/disposition") or "none",
        passed="pass" in (dkim, spf),
        detail="; ".join(said)[:500],
    )


def _text(element: ElementTree.Element, path: str) -> str:
    found = (element.findtext(path) or "").strip()[:_MAX_TEXT]
    return "".join(char if char.isprintable() else " " for char in found)


def _number(element: ElementTree.Element, path: str) -> int:
    text = _text(element, path)
    return int(text) if text.isdecimal() and len(text) < 15 else 0
