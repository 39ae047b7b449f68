"""The failure reports to domains that ask for them (RFC 6591, RFC 9991; RFC 7489 §7.3). The steward's clock calls.

From the null sender, so that no answer can come; signed, so that it can be told from a forgery. Failing: what cannot be looked
up or kept now is forgotten: what fails again will be told again.
"""

from __future__ import annotations

from dataclasses import replace

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.formats.failure_report import Letter, compose
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_reports import FailureSeen
from posthouse.pipeline.report_letters import ReportTools, allowed, author, post
from posthouse.reporting.failures import Failures

_log = log.get("reports")


class FailureSender:
    """``send`` sends what is waiting, as far as limits let it."""

    def __init__(self, tools: ReportTools, failures: Failures) -> None:
        self._tools = tools
        self._failures = failures

    async def send(self) -> int:
        """Gives how many reports went out."""
        sent = 0
        reports = self._tools.settings().reports
        for seen, count in self._failures.take(reports.failures_per_domain, reports.failures_in_all):
            if not reports.failures:
                continue
            try:
                sent += await self._about(seen, count)
            except MailError as error:
                cause = error.cause or error.public
                _log.warning("report-not-sent", kind="failure", domain=seen.policy_domain, cause=cause)
        return sent

    async def _about(self, seen: FailureSeen, count: int) -> int:
        tools = self._tools
        uris = await allowed(tools, seen.policy_domain, seen.to, "ruf")
        by, went = await author(tools), []
        record = await self._spf_record(seen.spf_domain) if uris and seen.failure in ("dmarc", "spf") else ""
        letter = Letter(str(by), "", tools.submitter, "", 0.0, count, record)
        for uri in uris:
            try:
                to = Recipient(Address.parse(uri[len("mailto:") :]), frozenset(("NEVER",)))
            except ValueError:
                _log.warning("report-address-bad", kind="failure", domain=seen.policy_domain, address=uri[:200])
                continue
            sender = Sender(None, body="7BIT" if seen.header.isascii() else "8BITMIME", smtputf8=not to.address.is_ascii)

            def write(message_id: str, now: float, to: Recipient = to) -> bytes:
                return compose(replace(letter, to=str(to), message_id=message_id, at=now), seen)

            if await post(tools, to, sender, write, by):
                went.append(uri)
        if went:
            _log.info("report-sent", kind="failure", domain=seen.policy_domain, to=went, messages=count)
        return len(went)

    async def _spf_record(self, domain: str) -> str:
        if not domain:
            return ""
        texts = await self._tools.resolver.txt(domain)
        return next((text for text in texts if text.lower().startswith("v=spf1")), "")
