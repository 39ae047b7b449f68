"""Which notices an attempt or a delivery calls for, and the notice itself as a message on its way to the sender (RFC 3461 §6,
RFC 3464).

Nothing is ever sent to the null reverse path, so bounces cannot loop, and what goes to the administrator in its place is given
up when it comes back; nor to an address that is likely to be forged. The queue writes notices about what it tried; the
pipeline, which stands above, has success notices for local mailboxes written here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.formats.dsn import Action, DsnRecipient, DsnRequest, compose, status_of
from posthouse.formats.mime import summarise
from posthouse.interfaces.courier import Answer
from posthouse.model.address import Address
from posthouse.model.envelope import DeliverBy, Recipient, Sender
from posthouse.model.plan import Acceptance, Destination, ToMailbox, ToQueue
from posthouse.model.queued import Outcome, QueuedMessage, QueuedRecipient
from posthouse.model.trace import TraceRecord, TraceStep
from posthouse.queue.deadlines import is_over

MAX_HEADER = 16_384

Onward = Callable[[Recipient], Awaitable[Sequence[Destination]]]
"""Where mail of this node's own for an address goes; empty if nowhere."""
Sign = Callable[[bytes], Awaitable[bytes]]
"""Puts the node's signature on a message; never fails."""


@dataclass(frozen=True, slots=True)
class Event:
    """One recipient of an attempt with what came of it. ``by``: the time that the sender gave, as the message came."""

    recipient: QueuedRecipient
    outcome: Outcome
    answer: Answer
    by: DeliverBy | None = None


@dataclass(frozen=True, slots=True)
class _Subject:
    """The message that a notice is about."""

    sender: Sender
    arrived_at: float
    content: bytes
    deliver_by: float | None = None


class Notices:
    """Writes DSNs. ``double_bounce()`` is where bounces of bounces go, "" for nowhere; ``believes()`` tells whether senders
    are told whose address is doubtful; ``sign`` signs what leaves."""

    def __init__(
        self,
        *,
        clock: Clock,
        ids: Ids,
        node_name: str,
        onward: Onward,
        double_bounce: Callable[[], str],
        believes: Callable[[], bool] = bool,
        sign: Sign | None = None,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._node_name = node_name
        self._onward = onward
        self._double_bounce = double_bounce
        self._believes = believes
        self._sign = sign

    async def bounce(self, message: QueuedMessage, events: Sequence[Event], content: bytes) -> Acceptance | None:
        """The one notice that these events call for together, ready to be accepted; None if there is none to send."""
        told = [(event, action) for event in events if (action := _action(event)) is not None]
        if not told or not self._is_told(message.sender):
            return None
        to = message.sender.address
        if to is None:
            if not self._double_bounce() or not any(action == "failed" for _, action in told):
                return None
            to = Address.parse(self._double_bounce())
            if _is_for(to, message, content):
                return None
        recipients = tuple(_told(event, action, message, self._clock.now()) for event, action in told)
        about = _Subject(message.sender, message.queued_at, content, message.deliver_by)
        return await self._notice(to, about, recipients)

    async def delivered(self, acceptance: Acceptance) -> Acceptance | None:
        """The notice of success for recipients in local mailboxes whose sender asked for it (RFC 3461 §4.1), or None."""
        asked = {
            destination.recipient
            for destination in acceptance.destinations
            if isinstance(destination, ToMailbox) and "SUCCESS" in destination.recipient.notify
        }
        to = acceptance.sender.address
        if not asked or to is None or not self._is_told(acceptance.sender):
            return None
        recipients = tuple(
            DsnRecipient(recipient.address, "delivered", "2.1.5", original=recipient.orcpt)
            for recipient in sorted(asked, key=lambda recipient: recipient.address.key)
        )
        subject = _Subject(acceptance.sender, acceptance.received_at, acceptance.content)
        return await self._notice(to, subject, recipients)

    async def refused(self, about: Acceptance, refusals: Sequence[tuple[Recipient, str]]) -> Acceptance | None:
        """The notice of failure for recipients whose filters refuse a message that others get; each with the reply to show.

        None for the null sender, and where nobody wants to be told (RFC 5429 §2, RFC 3461 §4.1)."""
        told = [
            DsnRecipient(recipient.address, "failed", status_of(reply, "5.7.1"), original=recipient.orcpt, reply=reply)
            for recipient, reply in refusals
            if not recipient.notify or "FAILURE" in recipient.notify
        ]
        if not told or about.sender.address is None or not self._is_told(about.sender):
            return None
        subject = _Subject(about.sender, about.received_at, about.content)
        return await self._notice(about.sender.address, subject, tuple(told))

    def _is_told(self, sender: Sender) -> bool:
        return not sender.doubtful or self._believes()

    async def _notice(self, to: Address, about: _Subject, recipients: tuple[DsnRecipient, ...]) -> Acceptance | None:
        destinations = tuple(await self._onward(Recipient(to)))
        if not destinations:
            return None
        now = self._clock.now()
        trace_id = self._ids.new()
        request = DsnRequest(
            reporting_mta=self._node_name,
            to=to,
            at=now,
            message_id=f"<{trace_id}@{self._node_name}>",
            boundary=f"dsn-{trace_id}",
            arrived_at=about.arrived_at,
            recipients=recipients,
            content=about.content,
            envid=about.sender.envid,
            deliver_by=about.deliver_by,
            full=about.sender.ret == "FULL" and not about.sender.require_tls,
        )
        notice = compose(request)
        if self._sign is not None and any(isinstance(destination, ToQueue) for destination in destinations):
            notice = await self._sign(notice)
        if any(isinstance(destination, ToMailbox) for destination in destinations):
            notice = b"Return-Path: <>\r\n" + notice
        body = "8BITMIME" if not notice.isascii() else "7BIT"
        # A notice is protected as the message is that it is about (RFC 8689 §5).
        strict = about.sender.require_tls
        sender = Sender(None, body=body, smtputf8=not to.is_ascii, require_tls=strict)  # type: ignore[arg-type]
        return Acceptance(trace_id, now, sender, notice, summarise(notice), destinations)


def record_of(notice: Acceptance, why: str) -> TraceRecord:
    """The first record of a notice's own trace."""
    recipients = tuple(str(each.recipient) for each in notice.destinations)
    step = TraceStep(notice.received_at, "queue", "notice", "written", "", why)
    return TraceRecord(
        trace_id=notice.trace_id,
        at=notice.received_at,
        service="queue",
        client="",
        helo="",
        account="",
        sender="",
        recipients=recipients,
        message_id=notice.summary.message_id,
        subject=notice.summary.subject,
        size_bytes=notice.summary.size_bytes,
        outcome="accepted",
        reply="",
        steps=(step,),
    )


def _action(event: Event) -> Action | None:
    """Which notice the sender asked for or expects; none that was declined (RFC 3461 §4.1)."""
    notify, outcome = event.recipient.recipient.notify, event.outcome
    if "NEVER" in notify:
        return None
    if outcome.state == "failed":
        return "failed" if not notify or "FAILURE" in notify else None
    if outcome.state == "done":
        if "SUCCESS" in notify and not event.answer.notifies:
            return "delivered" if event.answer.final else "relayed"
        return "relayed" if not event.answer.final and _relaying_is_told(event) else None
    newly = outcome.delayed_notice and not event.recipient.delayed_notice
    return "delayed" if newly and (not notify or "DELAY" in notify) else None


def _relaying_is_told(event: Event) -> bool:
    """RFC 2852 §4.1.3, §4.1.4: traced mail, and mail that is passed on to a host that will not tell of a delay."""
    by, answer = event.by, event.answer
    return by is not None and (by.trace or not (by.returns or by.by_s < 1 or answer.by or answer.notifies))


def _is_for(to: Address, message: QueuedMessage, content: bytes) -> bool:
    """Whether the message that came back was on its way there itself, perhaps by an alias: the loop ends."""
    header = content[:MAX_HEADER].partition(b"\r\n\r\n")[0].lower()
    named = f"\r\nto: <{to}>\r\n".lower().encode() in header + b"\r\n"
    return named or any(each.recipient.address.key == to.key for each in message.recipients)


def _told(event: Event, action: Action, message: QueuedMessage, now: float) -> DsnRecipient:
    otherwise = {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")
    status = status_of(event.outcome.reply, otherwise)
    if action == "failed" and not status.startswith("5"):
        status = "5.4.7"  # delivery time expired (RFC 3463 §3.5)
    if action == "delayed" and is_over(message, now):
        status = "4.4.7"  # RFC 2852 §4.1.4
    return DsnRecipient(
        final=event.recipient.recipient.address,
        action=action,
        status=status,
        original=event.recipient.recipient.orcpt,
        written_to=event.recipient.original,
        remote_mta=event.outcome.relay,
        reply=event.outcome.reply,
        retry_until=message.expires_at if action == "delayed" else None,
    )
