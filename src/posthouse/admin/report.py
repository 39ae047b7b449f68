"""Reports of other sites: mail in our domains' names (DMARC), TLS with our hosts, complaints, failed messages (MON-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import DomainName
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp
from posthouse.base.errors import NotFound, Permanent
from posthouse.interfaces.mail_reports import ReportBook
from posthouse.model.mail_reports import ReceivedReport, ReportKind

DAY_S = 86_400.0
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One report in a list. ``passed`` of ``messages`` (or sessions) were as they should be."""

    kind: str
    domain: str
    organisation: str
    ends: str
    messages: int
    passed: int
    trusted: bool
    report_id: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What all reports together say of one source: a sending address (DMARC), or a mail host of ours (TLS)."""

    source: str
    messages: int
    passed: int
    results: str
    detail: str


@operation("report list", role="reader", scope="domain", reads=True)
async def list_(
    context: Context,
    domain: DomainName | None = None,
    *,
    kind: ReportKind | None = None,
    days: int = 30,
) -> Sequence[ReportLine]:
    """Lists the reports that came in, newest first.

    Args:
        domain: about this domain; without one, about all.
        kind: dmarc, tls, feedback (complaints) or failure (single messages that failed DMARC); without one, all.
        days: of the last so many days.
    """
    wanted = domain or context.listed_domain
    if wanted:
        context.require_domain(wanted)
    since = context.clock.now() - days * DAY_S
    return [_line(each) for each in await _book(context).received(kind, wanted, since=since, limit=_MOST)]


@operation("report show", role="reader", scope="domain", reads=True)
async def show(context: Context, domain: DomainName, *, kind: ReportKind = "dmarc", days: int = 30) -> Sequence[SourceLine]:
    """Sums up what reports say about a domain, a source a line, those with the most failures first.

    Args:
        domain: name of the domain.
        kind: dmarc (who sends in its name), tls (how TLS with its hosts went), feedback (who complained) or failure (which
            single messages in its name failed DMARC).
        days: of the last so many days.
    """
    context.require_domain(domain)
    since = context.clock.now() - days * DAY_S
    reports = await _book(context).received(kind, domain, since=since, limit=_MOST)
    if not reports:
        raise NotFound(f"no {kind} report about {domain} has come in")
    return _summed(reports)


@dataclass(frozen=True, slots=True)
class SentReports:
    """How many reports went out."""

    sent: int


@operation("report send", role="administrator")
async def send(context: Context, *, today: bool = False) -> SentReports:
    """Sends the reports that other sites ask for, about days that are over, as happens by itself every hour.

    Args:
        today: also about today as far as it is, to try what the report says and whether it arrives.
    """
    if context.send_reports is None:
        raise Permanent("Reports are sent by a node that runs", enhanced="5.3.0")
    return SentReports(await context.send_reports(and_today=today))


def _line(report: ReceivedReport) -> ReportLine:
    count, passed = sum(row.count for row in report.rows), sum(row.count for row in report.rows if row.passed)
    ends = stamp(report.ends_at)
    return ReportLine(report.kind, report.domain, report.organisation, ends, count, passed, report.trusted, report.report_id)


def _summed(reports: Sequence[ReceivedReport]) -> list[SourceLine]:
    counts: dict[str, list[int]] = {}
    results: dict[str, dict[str, None]] = {}
    details: dict[str, str] = {}
    for row in (row for report in reports for row in report.rows):
        found = counts.setdefault(row.source, [0, 0])
        found[0] += row.count
        found[1] += row.count if row.passed else 0
        results.setdefault(row.source, {})[row.result] = None
        if not row.passed or row.source not in details:
            details[row.source] = row.detail
    ordered = sorted(counts.items(), key=lambda item: (item[1][1] - item[1][0], -item[1][0], item[0]))
    return [
        SourceLine(source, count, passed, ", ".join(results[source]), details[source]) for source, (count, passed) in ordered
    ]


def _book(context: Context) -> ReportBook:
    if context.reports is None:
        raise Permanent("Reports need a node", enhanced="5.3.0")
    return context.reports
