"""The daily aggregate reports to other sites: DMARC (RFC 7489 §7.2, RFC 9990) and TLS (RFC 8460). The steward's clock calls.

Failing: what cannot be looked up or kept now is tried again the next time, for some days.
"""

from __future__ import annotations

import asyncio

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.formats import dmarc_report, report_mail, tls_report
from posthouse.formats.dmarc_report import Metadata
from posthouse.mailauth import dmarc_record
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_reports import ReportKind
from posthouse.pipeline.report_letters import MAX_ADDRESSES, ReportTools, allowed, author, post
from posthouse.reporting.tallies import DAY_S, decoded_dmarc, decoded_tls

GIVE_UP_DAYS = 3

_log = log.get("reports")


class ReportSender:
    """``send`` sends what is due: the days that are over; ``and_today`` also what today has had so far, whose rest then goes
    into a report of its own."""

    def __init__(self, tools: ReportTools) -> None:
        self._tools = tools

    async def send(self, *, and_today: bool = False) -> int:
        """Gives how many reports went out."""
        sent, today = 0, int(self._tools.clock.now() // DAY_S)
        reports = self._tools.settings().reports
        kinds: tuple[tuple[ReportKind, bool], ...] = (("dmarc", reports.dmarc), ("tls", reports.tls))
        for kind, wanted in kinds:
            for day, domain in await self._tools.book.due(kind, today + and_today):
                try:
                    sent += await self._about(kind, day, domain) if wanted else 0
                except MailError as error:
                    _log.warning("report-not-sent", kind=kind, domain=domain, cause=error.cause or error.public)
                    if today - day <= GIVE_UP_DAYS:
                        continue
                await self._tools.book.drop(kind, day, domain)
        return sent

    async def _about(self, kind: ReportKind, day: int, domain: str) -> int:
        """One report to each address that wants it. Raises MailError if none took it: what one took is not sent to it again."""
        entries = await self._tools.book.entries(kind, day, domain)
        if kind == "dmarc":
            dmarc_seen = [(decoded_dmarc(entry), count) for entry, count in entries]
            record = dmarc_record.read(dmarc_seen[-1][0].record if dmarc_seen else "")
            uris = await allowed(self._tools, domain, record.reports_to, "rua") if record is not None else ()
        else:
            uris = tls_report.report_uris(await self._tools.resolver.txt(f"_smtp._tls.{domain}"))
        if not uris or not entries:
            return 0
        sender = await author(self._tools)
        report_id = f"{day}-{domain}-{self._tools.ids.new()}"
        ends_at = min((day + 1) * DAY_S - 1, int(self._tools.clock.now()))
        about = Metadata(self._tools.submitter, str(sender), report_id, day * DAY_S, ends_at)
        if kind == "dmarc":
            report = await asyncio.to_thread(dmarc_report.compose, about, domain, dmarc_seen)
        else:
            tls_seen = [(decoded_tls(entry), count) for entry, count in entries]
            report = await asyncio.to_thread(tls_report.compose, about, tls_seen)
        packed = await asyncio.to_thread(report_mail.pack, report)
        failures: dict[str, MailError] = {}
        for uri in uris[:MAX_ADDRESSES]:
            try:
                if uri.lower().startswith("https:"):
                    await self._tools.web.post(uri, packed, "application/tlsrpt+gzip")
                else:
                    await self._mail(kind, sender, uri[len("mailto:") :], about, domain, packed)
            except MailError as error:
                failures[uri] = error
        sent = [uri for uri in uris[:MAX_ADDRESSES] if uri not in failures]
        if not sent:
            raise next(iter(failures.values()))
        _log.info("report-sent", kind=kind, domain=domain, to=sent, not_to=list(failures))
        return 1

    async def _mail(self, kind: ReportKind, sender: Address, to: str, about: Metadata, domain: str, packed: bytes) -> None:
        try:
            recipient = Recipient(Address.parse(to.partition("?")[0]))
        except ValueError:
            _log.warning("report-address-bad", kind=kind, domain=domain, address=to[:200])
            return
        name = f"{about.organisation}!{domain}!{about.begins_at}!{about.ends_at}"

        def write(message_id: str, now: float) -> bytes:
            mail = report_mail.ReportMail(
                kind, str(sender), str(recipient), domain, about.organisation, about.report_id, name, packed, now, message_id
            )
            return report_mail.compose(mail)

        await post(self._tools, recipient, Sender(sender), write, sender)
