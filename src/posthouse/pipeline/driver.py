"""Walks a message along the stages, records every verdict, and says what to answer.

Knows no protocol: servers (SMTP, LMTP, submission) and rehearsal call it. Turns a MailError of a stage into the verdict
that it means, so that whatever fails on the path is answered 4xx or 5xx, never acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import lru_cache, partial

from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.base.ids import Ids
from posthouse.base.metrics import MESSAGE_BYTES, MESSAGES
from posthouse.formats.mime import Limits, summarise
from posthouse.interfaces.spans import NoSpans, Spans
from posthouse.interfaces.traces import TraceLog
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import ToMailbox
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.model.summary import Summary
from posthouse.model.trace import TraceRecord
from posthouse.model.verdict import Defer, Reason, Refuse, Reply, Verdict, ends
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.submission import mend
from posthouse.pipeline.trace_header import trace_header
from posthouse.pipeline.transaction import Transaction

PARSE_IN_THREAD_BYTES = 256 << 10
SUBMISSION = ("submission", "submissions")
Final = Refuse | Defer
_accepted_bytes = lru_cache(MESSAGE_BYTES.labels)
_ended = lru_cache(MESSAGES.labels)


class Driver:
    """One per process. ``sleep`` is asyncio's, or a test's."""

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        settings: Callable[[], Settings],
        clock: Clock,
        ids: Ids,
        traces: TraceLog,
        node_name: str,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        spans: Spans | None = None,
    ) -> None:
        self._connect = _having(stages, "connect")
        self._helo = _having(stages, "helo")
        self._delay = _having(stages, "delay")
        self._mail_from = _having(stages, "mail_from")
        self._rcpt_to = _having(stages, "rcpt_to")
        self._message = _having(stages, "message")
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._traces = traces
        self._node_name = node_name
        self._sleep = sleep
        self._spans: Spans = spans or NoSpans()

    async def connect(self, session: Session) -> Final | None:
        """None, or why the connection is refused."""
        for stage in self._connect:
            try:
                verdict = await stage.connect(session)
            except MailError as error:
                verdict = _verdict_of(stage, error)
            if isinstance(verdict, (Refuse, Defer)):
                return verdict
        return None

    async def helo(self, session: Session) -> Final | None:
        """None, or why the greeting is refused."""
        for stage in self._helo:
            try:
                verdict = await stage.helo(session)
            except MailError as error:
                verdict = _verdict_of(stage, error)
            if isinstance(verdict, (Refuse, Defer)):
                self._record_greeting(session, verdict)
                return verdict
        return None

    def delay_s(self, session: Session) -> float:
        """How long each reply to this peer is held back, as the stages want it: 0.0 for whoever is no stranger."""
        if not session.is_stranger:
            return 0.0
        return max((stage.delay(session) for stage in self._delay), default=0.0)

    async def pace(self, session: Session, *, crowded: bool = False) -> None:
        """Before each reply: waits that long. Not when it is ``crowded``: then whoever is slowed would keep a place from
        somebody else."""
        wait_s = self.delay_s(session)
        if wait_s and not crowded:
            await self._sleep(wait_s)

    def gone(self, session: Session) -> None:
        """The connection has ended: what was begun for it is not needed any more."""
        for lookup in (session.host_lookup, session.lists_lookup):
            if lookup is not None:
                lookup.cancel()

    async def begin(self, session: Session, sender: Sender) -> tuple[Transaction, Final | None]:
        """A new transaction at MAIL FROM, and why it is refused, if it is."""
        transaction = Transaction(self._ids.new(), session, sender, self._clock.now())
        session.dns_waited_s = 0.0
        if self._spans.watching():
            transaction.timings = []
        for stage in self._mail_from:
            try:
                verdict = await stage.mail_from(transaction)
            except MailError as error:
                verdict = _verdict_of(stage, error)
            final = None if verdict is None else self._noted(transaction, verdict)
            if final is not None:
                transaction.took("mail_from", transaction.started_at, self._clock.now())
                await self._tarpit(transaction)
                return transaction, final
        if transaction.timings is not None:
            transaction.took("mail_from", transaction.started_at, self._clock.now())
        if transaction.delay_s:
            await self._tarpit(transaction)
        return transaction, None

    async def recipient(self, transaction: Transaction, recipient: Recipient) -> Final | None:
        """None if the recipient joins the transaction, or why not."""
        began_at = self._clock.now()
        for stage in self._rcpt_to:
            try:
                verdict = await stage.rcpt_to(transaction, recipient)
            except MailError as error:
                verdict = _verdict_of(stage, error)
            final = None if verdict is None else self._noted(transaction, verdict, str(recipient.address))
            if final is not None:
                transaction.refused.append(recipient)
                transaction.took("rcpt_to", began_at, self._clock.now())
                await self._tarpit(transaction)
                return final
        transaction.recipients.append(recipient)
        if transaction.timings is not None:
            transaction.took("rcpt_to", began_at, self._clock.now())
        if transaction.delay_s:
            await self._tarpit(transaction)
        return None

    async def message(self, transaction: Transaction, content: bytes) -> Reply:
        """The whole message is in: walks it to the end and gives the reply. The record is written."""
        large = len(content) > PARSE_IN_THREAD_BYTES
        prepare = partial(self._with_trace_headers, transaction, content)
        framed = await asyncio.to_thread(prepare) if large else prepare()
        began_at = self._clock.now()
        transaction.first.become(framed, await self._parse(framed))
        transaction.took("parse", began_at, self._clock.now())
        reply = await self._walk(transaction)
        if reply.code == 250:
            _accepted_bytes(transaction.session.service).inc(len(content))
        return reply

    async def _walk(self, transaction: Transaction) -> Reply:
        """Asks the stages about the message; the record is written."""
        timed, began_at = transaction.timings is not None, 0.0
        for stage in self._message:
            if transaction.deliver_now and stage.is_check:
                continue
            if (transaction.copies or transaction.held) and transaction.is_settled and not stage.carries_out:
                continue
            if timed:
                began_at = self._clock.now()
            try:
                verdicts = await stage.message(transaction)
            except MailError as error:
                verdicts = (_verdict_of(stage, error),)
            if not verdicts and not timed:
                continue
            final = self._heard(transaction, stage, verdicts, began_at)
            if final is not None:
                await self._tarpit(transaction)
                return self._finish(transaction, final)
        reply = Reply(250, "2.0.0", f"Accepted, id {transaction.trace_id}")
        self._record(transaction, transaction.outcome, reply)
        return reply

    @property
    def stages(self) -> Sequence[str]:
        """The names of those that are asked about a message, in order."""
        return [stage.name for stage in self._message]

    async def resume(self, transaction: Transaction, names: Collection[str]) -> Verdict | None:
        """Walks a message that was held on along the stages of these names; gives what ended it, or None when it is carried
        out. What they say is noted; the record is the caller's."""
        for stage in self._message:
            if stage.name not in names or (transaction.deliver_now and stage.is_check):
                continue
            if not stage.carries_out and transaction.is_settled:
                continue
            began_at = self._clock.now()
            try:
                verdicts = await stage.message(transaction)
            except MailError as error:
                verdicts = (_verdict_of(stage, error),)
            final = self._heard(transaction, stage, verdicts, began_at)
            if final is not None:
                return final
        return None

    def abandon(self, transaction: Transaction, why: str) -> None:
        """The transaction ended before a message was there: refused recipients only, RSET, a lost connection."""
        transaction.end()
        refusal = transaction.refusal
        if refusal is not None and not transaction.recipients:
            self._record(transaction, "refused" if refusal.code >= 500 else "deferred", refusal)
        elif transaction.recipients:
            self._record(transaction, "aborted", Reply(0, "", why))

    def refuse(self, transaction: Transaction, reply: Reply, rule: str) -> None:
        """The protocol refused the message itself (size, bare newline): record it."""
        verdict = (Refuse if reply.code >= 500 else Defer)(reply, Reason("smtp", rule, reply.text))
        transaction.note(self._clock.now(), verdict)
        self._finish(transaction, verdict)

    def _heard(self, transaction: Transaction, stage: Stage, verdicts: Sequence[Verdict], began_at: float) -> Verdict | None:
        """Notes what a stage said of a message; gives the verdict that ends the asking, if one does."""
        now = self._clock.now()
        transaction.took(stage.name, began_at, now)
        for verdict in verdicts:
            transaction.note(now, verdict)
            if ends(verdict):
                return verdict
        return None

    def _finish(self, transaction: Transaction, verdict: Verdict) -> Reply:
        if isinstance(verdict, (Refuse, Defer)):
            self._record(transaction, "refused" if isinstance(verdict, Refuse) else "deferred", verdict.reply)
            return verdict.reply
        reply = Reply(250, "2.0.0", f"Accepted, id {transaction.trace_id}")
        self._record(transaction, "discarded", reply)
        return reply

    def _noted(self, transaction: Transaction, verdict: Verdict, recipient: str = "") -> Final | None:
        transaction.note(self._clock.now(), verdict, recipient)
        return verdict if isinstance(verdict, (Refuse, Defer)) else None

    async def _tarpit(self, transaction: Transaction) -> None:
        if transaction.delay_s:
            seconds, transaction.delay_s = transaction.delay_s, 0.0
            await self._sleep(seconds)

    def _with_trace_headers(self, transaction: Transaction, content: bytes) -> bytes:
        """Submitted messages are mended first (RFC 6409 §8); Return-Path goes in front if a mailbox here gets a copy."""
        at = self._clock.now()
        name = self._settings().smtp.hostname or self._node_name
        mended: tuple[bytes, bytes] = (b"", content)
        if transaction.session.service in SUBMISSION:
            mended = mend(transaction, content, at=at, hostname=name)
        local = any(isinstance(d, ToMailbox) for found in transaction.resolved.values() for d in found)
        return b"".join((trace_header(transaction, hostname=name, at=at, return_path=local), *mended))

    async def _parse(self, content: bytes) -> Summary:
        smtp = self._settings().smtp
        limits = Limits(smtp.max_headers, smtp.max_header_bytes, smtp.max_parts, smtp.max_part_depth)
        if len(content) > PARSE_IN_THREAD_BYTES:
            return await asyncio.to_thread(summarise, content, limits)
        return summarise(content, limits)

    def _record_greeting(self, session: Session, verdict: Final) -> None:
        """A refused greeting has no message; its trace shows the client alone."""
        transaction = Transaction(self._ids.new(), session, Sender(None), self._clock.now())
        transaction.note(self._clock.now(), verdict)
        self._finish(transaction, verdict)

    def _record(self, transaction: Transaction, outcome: str, reply: Reply) -> None:
        transaction.end()
        session, summary = transaction.session, transaction.summary
        _ended(session.service, outcome).inc()
        record = TraceRecord(
            trace_id=transaction.trace_id,
            at=transaction.started_at,
            service=session.service,
            client=session.client_address,
            helo=session.helo,
            account=session.account,
            sender=str(transaction.sender),
            recipients=tuple(str(r.address) for r in (*transaction.recipients, *transaction.refused)),
            message_id=summary.message_id if summary else "",
            subject=summary.subject if summary else "",
            size_bytes=summary.size_bytes if summary else 0,
            outcome=outcome,
            reply=f"{reply.code} {reply.enhanced} {reply.text}" if reply.code else reply.text,
            steps=tuple(transaction.steps),
        )
        self._traces.record(record)
        if transaction.timings is not None:
            self._spans.tell(record, transaction.timings)


def _having(stages: Sequence[Stage], hook: str) -> tuple[Stage, ...]:
    """The stages that override a hook; the others are never called."""
    return tuple(stage for stage in stages if getattr(type(stage), hook) is not getattr(Stage, hook))


def _verdict_of(stage: Stage, error: MailError) -> Verdict:
    reply = Reply(error.code, error.enhanced, error.public)
    reason = Reason(stage.name, "error", error.cause or error.public)
    return Defer(reply, reason) if error.temporary else Refuse(reply, reason)
