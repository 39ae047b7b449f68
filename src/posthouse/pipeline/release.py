"""What becomes of held mail: released, by itself or by somebody; rejected; told about (QTN-1, QTN-4).

A release walks the message on from where it was held, by the same stages as new mail, and takes it out of its quarantine in the
very unit that makes it durable elsewhere: delivered exactly once, whatever happens in between. Scanners look at it again. What
they find then goes where they say; what cannot be decided now (an engine is down, a mailbox is full) stays held.

What holds a virus is never released as it is. Nobody is bounced who may be a bystander: notices go to senders that are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, NotFound, Permanent, Temporary
from posthouse.base.ids import Ids
from posthouse.formats.mime import summarise
from posthouse.formats.quarantine_notice import QuarantineNotice, compose
from posthouse.interfaces.quarantine import Quarantine
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.traces import TraceLog
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.held import HeldMessage
from posthouse.model.mail_authentication import AuthReport, DkimResult, DmarcResult, SpfResult
from posthouse.model.mailbox import DEFAULT_MAILBOXES, INBOX
from posthouse.model.plan import Acceptance, Destination, ToMailbox
from posthouse.model.session import Session
from posthouse.model.trace import TraceRecord, TraceStep
from posthouse.model.verdict import Defer, Hold, QuarantineKind, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.copies import off_loop
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.filter_mail import Onward
from posthouse.pipeline.transaction import Transaction
from posthouse.queue.notices import Notices, record_of

STAGE = "quarantine"
RELEASED = "X-Posthouse-Released"
SCANNERS = ("attachments", "antivirus")
OF_THE_SESSION = ("reputation", "reports")
CARRIED_OUT = frozenset(("dispose",))
JUNK_MAILBOXES = frozenset(name for name, use in DEFAULT_MAILBOXES if use == "\\Junk")
CLOCK = "the clock"
RETRY_S = 300.0
DAY_S = 86_400.0
NEVER = Permanent("what holds a virus is never released; inform its recipient, ask its sender for a clean copy, or delete it")
AT_ONCE = 100


class NoMailbox(Permanent):
    """Whom it was for has no mailbox here any more."""

    def __init__(self, account: str) -> None:
        super().__init__(f"{account} has no mailbox any more", code=550, enhanced="5.1.1")


@dataclass(frozen=True, slots=True)
class Released:
    """``outcome`` is a trace's word: accepted, held (again), discarded, refused."""

    held_id: int
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReleaseTools:
    """``onward`` tells where mail for an address goes, for what was held without knowing."""

    driver: Driver
    quarantine: Quarantine
    notices: Notices
    onward: Onward
    traces: TraceLog
    sink: Sink
    clock: Clock
    ids: Ids
    node_name: str


class Releases:
    """For the process that runs operations and schedules."""

    def __init__(self, tools: ReleaseTools) -> None:
        self._tools = tools

    async def release(self, held: HeldMessage, by: str) -> Released:
        """Lets it go on. Raises Permanent for what holds a virus, Temporary when it cannot be done now, NotFound when it is
        gone meanwhile; then it is where it was."""
        if held.kind == "virus":
            raise NEVER
        if await self._tools.quarantine.get(held.held_id) is None:
            raise gone(held.held_id)
        transaction = await self._transaction(held, by)
        driver = self._tools.driver
        final = await driver.resume(transaction, going_on(held, driver.stages))
        if isinstance(final, Refuse) and final.reason.stage == "antivirus":
            transaction.note(self._tools.clock.now(), Hold("virus", final.reason))
            final = await driver.resume(transaction, CARRIED_OUT)
        if isinstance(final, (Refuse, Defer)) and (isinstance(final, Defer) or final.reason.stage == "dispose"):
            raise Temporary("It cannot be released now", cause=f"{final.reason.stage}: {final.reason.detail}")
        if final is not None:
            return await self._ended(held, transaction, final)
        if any(step.rule == "gone" for step in transaction.steps):
            raise gone(held.held_id)
        self._record(held, transaction.outcome, transaction.steps)
        return Released(held.held_id, transaction.outcome, _last(transaction))

    async def reject(self, held: HeldMessage, by: str, text: str) -> Released:
        """Sends it back, if its sender is known, else drops it. Only what a filter holds. Raises NotFound, Permanent."""
        if held.kind != "filter":
            raise Permanent(f"only what a filter holds is rejected; this is held as {held.kind}")
        verdict = Refuse(Reply(550, "5.7.1", text), Reason(STAGE, "reject", f"rejected by {by}"))
        transaction = await self._transaction(held, by)
        transaction.note(self._tools.clock.now(), verdict)
        return await self._ended(held, transaction, verdict)

    async def delete(self, held: HeldMessage, by: str) -> bool:
        """Drops it for good; whether it was there."""
        if not await self._tools.quarantine.delete([held.held_id]):
            return False
        now = self._tools.clock.now()
        self._record(held, "discarded", [TraceStep(now, STAGE, "delete", "discard", str(held.recipient), f"by {by}")])
        return True

    async def inform(self, held: HeldMessage, by: str, *, sender: bool) -> Acceptance:
        """Tells its recipient that it is held, or asks its ``sender`` for a clean copy; gives what was sent. Raises Permanent
        for a sender that may be a bystander, NotFound where the address leads nowhere."""
        if sender and (held.sender.address is None or not held.is_from_known_sender):
            raise Permanent(f"{str(held.sender) or '<>'} may not be who sent it: a notice could trouble a bystander")
        to = held.sender.address if sender and held.sender.address else held.recipient.address
        tools, trace_id, now = self._tools, self._tools.ids.new(), self._tools.clock.now()
        destinations = tuple(await tools.onward(Recipient(to, frozenset(("NEVER",)))))
        if not destinations:
            raise NotFound(f"{to} leads nowhere")
        content = compose(
            QuarantineNotice(
                about="sender" if sender else "recipient",
                node_name=tools.node_name,
                to=to,
                at=now,
                message_id=f"<{trace_id}@{tools.node_name}>",
                sender=held.author or str(held.sender),
                recipient=str(held.recipient),
                subject=held.subject,
                received_at=held.received_at,
                why=held.why,
            )
        )
        if any(isinstance(each, ToMailbox) for each in destinations):
            content = b"Return-Path: <>\r\n" + content
        null = Sender(None, body="7BIT" if content.isascii() else "8BITMIME", smtputf8=not to.is_ascii)
        notice = Acceptance(trace_id, now, null, content, summarise(content), destinations)
        await tools.sink.commit(notice)
        tools.traces.record(record_of(notice, f"tells about {held.trace_id}, held as {held.held_id}; asked for by {by}"))
        return notice

    async def release_due(self) -> int:
        """Those whose time has come; what cannot go yet is tried again later. Gives how many went."""
        count = 0
        quarantine, now = self._tools.quarantine, self._tools.clock.now()
        for held in await quarantine.due(now, AT_ONCE):
            try:
                await self.release(held, CLOCK)
            except NoMailbox as error:
                await self.delete(held, f"{CLOCK}: {error.public}")
            except MailError as error:
                await quarantine.postpone(held.held_id, now + RETRY_S)
                step = TraceStep(now, STAGE, "release", "defer", str(held.recipient), error.cause or error.public)
                self._record(held, "held", [step])
                continue
            count += 1
        return count

    async def expire(self, lifetimes: Mapping[QuarantineKind, int]) -> int:
        """Drops what is older than so many days of its kind, 0: never; gives how many."""
        count, now = 0, self._tools.clock.now()
        for kind, days in lifetimes.items():
            more = days > 0
            while more:
                went = await self._tools.quarantine.expire(kind, now - days * DAY_S, AT_ONCE)
                for held in went:
                    step = TraceStep(now, STAGE, "expire", "discard", str(held.recipient), f"held for {days} days")
                    self._record(held, "discarded", [step])
                count, more = count + len(went), len(went) == AT_ONCE
        return count

    async def _ended(self, held: HeldMessage, transaction: Transaction, final: Verdict) -> Released:
        """Refused or dropped on its way: out of the quarantine, with a notice if there is one, in one unit."""
        reply = final.reply if isinstance(final, Refuse) else Reply(250, "2.0.0", "dropped")
        notice: Acceptance | None = None
        if isinstance(final, Refuse) and held.is_from_known_sender:
            form = transaction.first
            about = Acceptance(held.trace_id, held.received_at, held.sender, form.content, form.summary, ())
            told = [(held.recipient, f"{reply.code} {reply.enhanced} {reply.text}")]
            notice = await self._tools.notices.refused(about, told)
        if not await self._tools.quarantine.release(held.held_id, [notice] if notice else []):
            raise gone(held.held_id)
        outcome = "refused" if isinstance(final, Refuse) else "discarded"
        detail = f"{reply.text}; {'its sender is told' if notice else 'nobody is told'}"
        word = "refuse" if outcome == "refused" else "discard"
        step = TraceStep(self._tools.clock.now(), STAGE, "end", word, str(held.recipient), detail)
        self._record(held, outcome, [*transaction.steps, step])
        return Released(held.held_id, outcome, detail)

    async def _transaction(self, held: HeldMessage, by: str) -> Transaction:
        now, origin = self._tools.clock.now(), held.origin
        session = Session(
            service=origin.service,  # type: ignore[arg-type]
            client_address=origin.client_address,
            client_port=0,
            server_address="",
            server_port=0,
            connected_at=held.received_at,
            helo=origin.helo,
            esmtp=True,
            host=origin.client_host,
            account=origin.account,
            relay="network" if origin.trusted and not origin.account else "",
        )
        transaction = Transaction(held.trace_id, session, held.sender, now, [held.recipient], held_id=held.held_id)
        transaction.score = origin.score
        transaction.auth = _report(held)
        content = await self._tools.quarantine.content(held.body_id)
        transaction.first.become(content, await off_loop(len(content), partial(summarise, content)))
        transaction.plan(await self._destinations(held))
        if by != CLOCK:
            transaction.tags.append((RELEASED, f"from={held.kind}; id={held.held_id}; by={by}"))
        detail = f"from {held.name if held.kind == 'filter' else held.kind} by {by}"
        transaction.steps.append(TraceStep(now, STAGE, "release", "pass", str(held.recipient), detail))
        return transaction

    async def _destinations(self, held: HeldMessage) -> list[Destination]:
        onward = held.onward
        if onward is None:
            found = list(await self._tools.onward(held.recipient))
            if not found:
                raise NotFound(f"{held.recipient} leads nowhere")
            return found
        local = isinstance(onward, ToMailbox) and onward.account_id > 0 and onward.account
        if local and not await self._tools.onward(Recipient(Address.parse(local))):
            raise NoMailbox(local)
        if isinstance(onward, ToMailbox) and held.kind == "junk":
            mailbox = INBOX if onward.mailbox in JUNK_MAILBOXES else onward.mailbox
            return [replace(onward, mailbox=mailbox, flags=(*onward.flags, "$NotJunk"))]
        return [onward]

    def _record(self, held: HeldMessage, outcome: str, steps: list[TraceStep]) -> None:
        self._tools.traces.record(
            TraceRecord(
                trace_id=held.trace_id,
                at=self._tools.clock.now(),
                service=STAGE,
                client="",
                helo="",
                account="",
                sender=str(held.sender),
                recipients=(str(held.recipient),),
                message_id="",
                subject=held.subject,
                size_bytes=held.size_bytes,
                outcome=outcome,
                reply="",
                steps=tuple(steps),
            )
        )


def gone(held_id: int) -> NotFound:
    """For a message that is not held, or not any more."""
    return NotFound(f"there is no message {held_id} in the quarantine")


def going_on(held: HeldMessage, stages: Sequence[str]) -> frozenset[str]:
    """Which stages are asked, of those of a path: those behind the one that held it, and the scanners in any case. What a user
    or an administrator lets go is not judged as junk once more, and a user's filters do not undo their release."""
    if held.kind == "junk":
        return frozenset((*SCANNERS, "sign", "dispose"))
    at = stages.index(held.stage if held.stage in stages else "route")
    spared = ("antispam", "domain-filters", "junk") if held.stage == "domain-filters" else ()
    return frozenset((*stages[at + 1 :], *SCANNERS, "dispose")).difference(spared, OF_THE_SESSION)


def _report(held: HeldMessage) -> AuthReport:
    """What authentication gave, as far as it is remembered."""
    origin = held.origin
    author = held.author.rpartition("@")[2].lower()
    domain = held.sender.address.domain if held.sender.address else origin.helo
    spf = SpfResult(origin.spf, "mailfrom", domain, str(held.sender)) if origin.spf else None  # type: ignore[arg-type]
    dkim = (DkimResult(origin.dkim, author, ""),) if origin.dkim else ()  # type: ignore[arg-type]
    dmarc = DmarcResult(origin.dmarc, author) if origin.dmarc else None  # type: ignore[arg-type]
    return AuthReport(spf=spf, dkim=dkim, dmarc=dmarc)


def _last(transaction: Transaction) -> str:
    """What the last stages said, for whoever asked for the release."""
    said = [step for step in transaction.steps if step.verdict in ("hold", "refuse", "discard", "redirect")]
    return said[-1].detail if said else "on its way"
