"""Stage ``reports``: reports of other sites are read as they come to the addresses for them (MON-5).

Changes nothing and refuses nothing: the message goes on to its mailbox. Failing: what cannot be read is told in the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from posthouse.base.errors import MailError
from posthouse.formats.dmarc_report import BadReport
from posthouse.formats.report_mail import find
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.suppressions import Suppressions
from posthouse.model.mail_reports import DmarcSeen, FailureSeen, ReceivedReport
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

DAY_S = 86_400
"""No report ends later than a day from now, whatever it says: it would stand on top of all others for ever."""

Receive = Callable[[ReceivedReport], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class ReportDesk:
    """What the path has to do with other sites: ``seen`` hears of mail that they are told of, ``failed`` of messages that
    they are told of by themselves, ``receive`` keeps what they tell, ``suppressions`` are the addresses of theirs that
    lists send no more to."""

    seen: Callable[[DmarcSeen], None]
    failed: Callable[[FailureSeen], None]
    receive: Receive
    suppressions: Suppressions


class TakeReports(Stage):
    """``receive`` keeps a report; False if it was there already."""

    name = "reports"

    def __init__(self, settings: Callable[[], Settings], directory: Directory, receive: Receive) -> None:
        self._settings = settings
        self._directory = directory
        self._receive = receive

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        wanted = {address.lower() for address in self._settings().reports.addresses}
        if not wanted or not any(recipient.address.key in wanted for recipient in transaction.recipients):
            return ()
        assert transaction.summary is not None, "the driver sets the summary before it asks"
        try:
            report = await asyncio.to_thread(find, transaction.content, transaction.summary)
            return (await self._taken(transaction, report),)
        except (BadReport, MailError) as error:
            return (Continue(Reason(self.name, "unread", f"not taken as a report: {error}")),)

    async def _taken(self, transaction: Transaction, report: ReceivedReport) -> Verdict:
        report = replace(report, domain=await self._ours(report))
        if await self._directory.domain(report.domain) is None:
            return Continue(Reason(self.name, "other", f"a report about {report.domain}, which is not ours"))
        latest = int(transaction.started_at) + DAY_S
        report = replace(report, begins_at=min(report.begins_at, latest), ends_at=min(report.ends_at, latest))
        dmarc = transaction.auth.dmarc if transaction.auth is not None else None
        trusted = dmarc is not None and dmarc.result == "pass"
        new = await self._receive(replace(report, sender=dmarc.domain if dmarc else "", trusted=trusted))
        words = f"a {report.kind} report of {report.organisation} about {report.domain}"
        return Continue(Reason(self.name, "taken", words if new else f"{words}, known already"))

    async def _ours(self, report: ReceivedReport) -> str:
        """A failed message may have been in the name of a subdomain, whose policy is that of its parent."""
        name = report.domain
        while report.kind == "failure" and "." in name:
            if await self._directory.domain(name) is not None:
                return name
            name = name.partition(".")[2]
        return report.domain
