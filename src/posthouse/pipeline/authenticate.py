"""Stage ``authenticate``: SPF, DKIM, DMARC, ARC, BIMI of strangers' mail (MAU-1).

SPF is begun with the first accepted recipient, so that DNS answers while the message comes in. Clients that are ours
(logged in, relay-listed, on this machine) and LMTP are not checked. The report stays on the transaction for the scorer, and
Authentication-Results tells it to everyone else; fields that claim to be ours are taken out, those of BIMI too.
Failing: open. Without DNS a message is marked ``temperror`` and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from posthouse.formats.mime.fronted import without
from posthouse.mailauth import bimi, results
from posthouse.mailauth.message import Message
from posthouse.mailauth.verify import Spf, Verifier, Wanted, author_of
from posthouse.model.envelope import Recipient
from posthouse.model.mail_authentication import AuthReport
from posthouse.model.mail_reports import DmarcSeen, FailureSeen
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.model.verdict import Reason, Tag, Verdict
from posthouse.pipeline.authentication_policy import dmarc_action, refusal, told
from posthouse.pipeline.copies import off_loop
from posthouse.pipeline.failed_mail import failed
from posthouse.pipeline.seen_mail import seen
from posthouse.pipeline.spf_begin import SpfCheck
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction


class Authenticate(Stage):
    """The look-ups are ``mailauth``'s, what follows from them stands in ``authentication_policy``; ``tell`` hears what domains
    want to be told of mail in their name, ``tell_failed`` of which messages that failed they want to be told by themselves."""

    name = "authenticate"

    def __init__(
        self,
        settings: Callable[[], Settings],
        verifier: Verifier,
        spf: SpfCheck,
        node_name: str,
        tell: Callable[[DmarcSeen], None],
        tell_failed: Callable[[FailureSeen], None],
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._spf = spf
        self._node_name = node_name
        self._tell = tell
        self._tell_failed = tell_failed

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        if not transaction.recipients and self._is_checked(transaction.session):
            self._spf.of(transaction)
        return None

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        summary = transaction.summary
        assert summary is not None, "the driver sets the summary before it asks"
        message = Message.of(transaction.content, summary)
        verdicts: Sequence[Verdict] = ()
        if self._is_checked(transaction.session) and not summary.problems:
            verdicts = await self._verify(transaction, message, self._spf.of(transaction))
        if not transaction.session.relay and transaction.session.service != "lmtp":
            await self._take_out_forged(transaction, message)
        return verdicts

    async def _verify(self, transaction: Transaction, message: Message, spf: asyncio.Task[Spf]) -> Sequence[Verdict]:
        settings = self._settings().mailauth
        author = author_of(message)
        action = dmarc_action(settings, author.domain)
        wanted = Wanted(settings.timeout_s, action != "off", settings.trusted_sealers, settings.bimi)
        report = await self._verifier.verify(message, author, spf, wanted)
        transaction.auth = report
        value = results.compose(self._spf.authserv_id(), report)
        reason = Reason(self.name, "results", "; ".join(value.split("; ")[1:])[:1000])
        tag = Tag(results.FIELD, value, reason)
        verdicts = refusal(self.name, report, action, settings.spf_fail)
        if (noted := seen(transaction.session, str(transaction.sender), report, verdicts)) is not None:
            self._tell(noted)
        self._report_failure(transaction, message, report, verdicts)
        return (*told(self.name, report), tag, *self._picture(report), *verdicts)

    def _report_failure(
        self, transaction: Transaction, message: Message, report: AuthReport, verdicts: Sequence[Verdict]
    ) -> None:
        reports = self._settings().reports
        if reports.failures and (found := failed(transaction, message, report, verdicts, reports.addresses)) is not None:
            self._tell_failed(found)

    def _picture(self, report: AuthReport) -> Sequence[Verdict]:
        """What the author's brand wants shown, for whoever shows the message."""
        if report.bimi is None or report.bimi.result != "pass":
            return ()
        return (Tag(bimi.LOCATION, bimi.location_field(report.bimi), Reason(self.name, "bimi", report.bimi.detail)),)

    async def _take_out_forged(self, transaction: Transaction, message: Message) -> None:
        forged = results.forged(message, (self._spf.authserv_id(), self._node_name))
        forged += [field for field in message.fields if field.name in bimi.OURS]
        if not forged:
            return
        form = transaction.form
        form.put_header(*await off_loop(len(form.content), partial(without, form.content, form.summary, forged)))

    def _is_checked(self, session: Session) -> bool:
        return self._settings().mailauth.verify and not is_ours(session)


def is_ours(session: Session) -> bool:
    """Whether this client is one of ours, whose mail is not a stranger's."""
    return session.service != "smtp" or bool(session.account) or bool(session.relay) or session.is_loopback
