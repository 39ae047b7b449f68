"""DMARC aggregate reports: the XML that sites send each other (RFC 7489 Appendix C, RFC 9990). Written and read here; what a
stranger sends is bounded in size and depth, and may define nothing (no DTD).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from posthouse.model.mail_reports import DmarcSeen, ReceivedReport, ReportRow

MAX_ROWS = 2_000
"""Rows of one report that are kept each for itself; the rest is added up."""
_MAX_OTHERS = 10
_MAX_RECORDS = 20_000
_MAX_ELEMENTS = 500_000
_MAX_HELD = 2_000
_MAX_DEPTH = 20
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
    """Lenient about what is missing, as real reports lack much; records are let go of as they are read. Raises BadReport."""
    if b"\0" in xml or _DECLARATION.search(xml):
        raise BadReport("it is not plain XML in UTF-8")
    rows: list[ReportRow] = []
    others: dict[tuple[str, bool], int] = {}
    try:
        root = _without_records(xml, lambda record: _take(_row(record), rows, others))
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadReport(f"it is not XML: {error}") from None
    if root is None or root.tag != "feedback":
        raise BadReport("it is not a DMARC report")
    domain = _text(root, "policy_published/domain").lower()
    report_id = _text(root, "report_metadata/report_id")
    if not domain or not report_id:
        raise BadReport("it names no domain or no id")
    rows += [ReportRow("", count, result, passed=passed, detail="others") for (result, passed), count in others.items()]
    return ReceivedReport(
        "dmarc",
        report_id,
        _text(root, "report_metadata/org_name"),
        domain,
        _number(root, "report_metadata/date_range/begin"),
        _number(root, "report_metadata/date_range/end"),
        tuple(rows),
    )


def _without_records(xml: bytes, take: Callable[[ElementTree.Element], None]) -> ElementTree.Element | None:
    """The tree but for its records, each of which is given to ``take``; of very many the first ones.
    Raises ValueError past the bounds, ParseError."""
    root: ElementTree.Element | None = None
    depth = total = held = records = 0
    # Declarations were refused, so nothing can be defined.
    for event, element in ElementTree.iterparse(io.BytesIO(xml), ("start", "end")):  # noqa: S314
        if event == "start":
            element.tag = element.tag.rpartition("}")[2]
            root = element if root is None else root
            depth, total, held = depth + 1, total + 1, held + 1
            if depth > _MAX_DEPTH or total > _MAX_ELEMENTS or held > _MAX_HELD:
                raise ValueError("more elements than a report has")
            continue
        depth -= 1
        if depth == 1 and element.tag == "record" and root is not None:
            take(element)
            root.remove(element)
            held, records = len(root), records + 1
            if records == _MAX_RECORDS:
                break
    return root


def _take(row: ReportRow, rows: list[ReportRow], others: dict[tuple[str, bool], int]) -> None:
    """Keeps a row; past the bound only what it adds to the sums."""
    if len(rows) < MAX_ROWS:
        rows.append(row)
    elif (row.result, row.passed) in others or len(others) < _MAX_OTHERS:
        others[row.result, row.passed] = others.get((row.result, row.passed), 0) + row.count


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
