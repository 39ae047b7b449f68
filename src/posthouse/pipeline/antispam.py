"""Stage ``antispam``: the spam score of a message, behind the virus scanners (CON-8, OUT-5).

The points of all engines, and what earlier stages gave (block lists, DMARC, system filters), are summed on one scale: 50 is
spam, 300 is certain. What they were given for stands in the trace and in the header. What happens to spam is decided for each
recipient by stage ``junk``. Strangers' mail is scored always; that of users and of trusted hosts as set.

Failing: an engine that is down is left out, marked in trace and header, or the message is deferred, as ``antispam.failure``
says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Literal

from posthouse.base.metrics import SCORED
from posthouse.formats.mime.fronted import without
from posthouse.model.plan import ToMailbox
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.model.spam import SITE_ID, ScoredMail, SpamReport
from posthouse.model.verdict import Continue, Defer, Reason, Refuse, Reply, Score, Tag, Verdict, ends
from posthouse.pipeline.copies import off_loop
from posthouse.pipeline.scoring import Scoring
from posthouse.pipeline.spam_fields import claimed_points, claims, shown, spam_fields
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

STAGE = "antispam"
DOWN = Reply(451, "4.7.1", "The spam check is not available, try again later")
OUTGOING = Reply(550, "5.7.1", "This message looks like spam and is not sent")
MAX_DETAIL_CHARS = 1_000
Whose = Literal["stranger", "ours", "trusted"]
_counter = lru_cache(SCORED.labels)


def whose(session: Session) -> Whose:
    """Who brings the message: somebody unknown, a logged-in user, or a host whose word counts (relay-listed, LMTP)."""
    if session.account:
        return "ours"
    return "trusted" if session.relay or session.service == "lmtp" else "stranger"


class ForgedScores(Stage):
    """Takes out what strangers and users say about spam themselves; stands before the first filter that might believe it."""

    name = STAGE

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        form = transaction.first
        if whose(transaction.session) == "trusted" or not (found := claims(form.summary)):
            return ()
        form.become(*await off_loop(len(form.content), partial(without, form.content, form.summary, found)))
        names = ", ".join(dict.fromkeys(field.name for field in found))
        return (Continue(Reason(self.name, "forged", f"taken out: {names}"[:MAX_DETAIL_CHARS])),)


async def _nobody(_: Transaction) -> Verdict | None:
    return None


class Antispam(Stage):
    """``ours_is_spam`` is told of spam by people who logged in; its word may end the asking."""

    name = STAGE
    is_check = True

    def __init__(
        self,
        settings: Callable[[], Settings],
        scoring: Scoring,
        node_name: str,
        ours_is_spam: Callable[[Transaction], Awaitable[Verdict | None]] = _nobody,
    ) -> None:
        self._settings = settings
        self._scoring = scoring
        self._node_name = node_name
        self._ours_is_spam = ours_is_spam

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        settings = self._settings()
        who = whose(transaction.session)
        if who == "ours" and settings.antispam.outgoing == "off":
            return ()
        if who == "trusted" and not settings.antispam.relayed:
            return self._taken_over(transaction)
        return await self._scored(transaction, settings, who)

    def _taken_over(self, transaction: Transaction) -> Sequence[Verdict]:
        """The score that a trusted host gave."""
        summary = transaction.summary
        points = claimed_points(transaction.content, summary) if summary is not None else None
        if points is None:
            return ()
        return (Score(points, Reason(self.name, "upstream", f"{shown(points)} points, says the host that brought it")),)

    async def _scored(self, transaction: Transaction, settings: Settings, who: Whose) -> Sequence[Verdict]:
        if not settings.antispam.engines and not transaction.shares:
            return ()
        reports = await self._scoring.reports(_asked(transaction), settings.antispam.timeout_s)
        failed = [report for report in reports if report.failed]
        if failed and settings.antispam.failure == "defer":
            return (Defer(DOWN, Reason(self.name, failed[0].engine, f"no answer: {failed[0].failed}"[:MAX_DETAIL_CHARS])),)
        if not reports and not transaction.shares:
            return ()
        hits = [*transaction.shares, *(hit for report in reports for hit in report.hits)]
        threshold = settings.junk.spam_points
        host = settings.smtp.hostname or self._node_name
        fields = spam_fields(hits, failed, threshold, host, report=settings.antispam.report)
        verdicts = [self._told(report) for report in reports]
        total = sum(hit.points for hit in hits)
        _counter("spam" if total >= threshold else "ham").inc()
        if who == "ours" and total >= threshold and (told := await self._ours_is_spam(transaction)) is not None:
            verdicts.append(told)
            if ends(told):
                return verdicts
        if who == "ours" and settings.antispam.outgoing == "refuse" and total >= threshold:
            reason = Reason(self.name, "outgoing", f"{shown(total)} points of {shown(threshold)}")
            return (*verdicts, Refuse(OUTGOING, reason))
        summed = Reason(self.name, "total", f"{shown(total)} of {shown(threshold)} points")
        return (*verdicts, Continue(summed), *(Tag(name, value, Reason(self.name, "header", name)) for name, value in fields))

    def _told(self, report: SpamReport) -> Verdict:
        """One engine's points, with each rule's share."""
        if report.failed:
            return Continue(Reason(self.name, report.engine, f"left out: {report.failed}"[:MAX_DETAIL_CHARS]))
        hits = sorted((hit for hit in report.hits if hit.points), key=lambda hit: -abs(hit.points))
        words = "; ".join(f"{hit.rule} {shown(hit.points)} ({hit.why})" for hit in hits) or "no rule"
        return Score(report.points, Reason(self.name, report.engine, f"{shown(report.points)}: {words}"[:MAX_DETAIL_CHARS]))


def _asked(transaction: Transaction) -> ScoredMail:
    """Everything that is known of the message's way in."""
    session, summary = transaction.session, transaction.summary
    assert summary is not None, "the driver sets the summary before it asks"
    accounts = {copy.destination.account_id for copy in transaction.copies if isinstance(copy.destination, ToMailbox)}
    alone = len(transaction.copies) == 1 and len(accounts) == 1
    return ScoredMail(
        content=transaction.content,
        summary=summary,
        sender=str(transaction.sender),
        recipients=tuple(str(recipient.address) for recipient in transaction.recipients),
        client_address=session.client_address,
        client_host=session.host,
        helo=session.helo,
        auth=transaction.auth,
        account_id=max(accounts.pop(), SITE_ID) if alone else SITE_ID,
        outgoing=bool(session.account),
    )
