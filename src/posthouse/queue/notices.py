"""Which notices an attempt calls for, and the notice itself as a message on its way to the sender (RFC 3461 §6, RFC 3464).

Nothing is ever sent to the null reverse path, so bounces cannot loop.
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
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, Destination, ToMailbox
from posthouse.model.queued import Outcome, QueuedMessage, QueuedRecipient

Onward = Callable[[Recipient], Awaitable[Sequence[Destination]]]
"""Where mail of this node's own for an address goes; empty if nowhere."""


@dataclass(frozen=True, slots=True)
class Event:
    """One recipient of an attempt with what came of it."""

    recipient: QueuedRecipient
    outcome: Outcome
    answer: Answer


class Notices:
    """Writes DSNs. ``double_bounce()`` is where bounces of bounces go, "" for nowhere."""

    def __init__(self, *, clock: Clock, ids: Ids, node_name: str, onward: Onward, double_bounce: Callable[[], str]) -> None:
        self._clock = clock
        self._ids = ids
        self._node_name = node_name
        self._onward = onward
        self._double_bounce = double_bounce

    async def bounce(self, message: QueuedMessage, events: Sequence[Event], content: bytes) -> Acceptance | None:
        """The one notice that these events call for together, ready to be accepted; None if there is none to send."""
        told = [(event, action) for event in events if (action := _action(event)) is not None]
        if not told:
            return None
        to = message.sender.address
        if to is None:
            if not self._double_bounce() or not any(action == "failed" for _, action in told):
                return None
            to = Address.parse(self._double_bounce())
        destinations = tuple(await self._onward(Recipient(to)))
        if not destinations:
            return None
        return self._accepted(to, message, told, content, destinations)

    def _accepted(
        self,
        to: Address,
        message: QueuedMessage,
        told: Sequence[tuple[Event, Action]],
        content: bytes,
        destinations: tuple[Destination, ...],
    ) -> Acceptance:
        now = self._clock.now()
        trace_id = self._ids.new()
        request = DsnRequest(
            reporting_mta=self._node_name,
            to=to,
            at=now,
            message_id=f"<{trace_id}@{self._node_name}>",
            boundary=f"dsn-{trace_id}",
            arrived_at=message.queued_at,
            recipients=tuple(_told(event, action, message.expires_at) for event, action in told),
            content=content,
            envid=message.sender.envid,
            full=message.sender.ret == "FULL",
        )
        notice = compose(request)
        if any(isinstance(destination, ToMailbox) for destination in destinations):
            notice = b"Return-Path: <>\r\n" + notice
        body = "8BITMIME" if not notice.isascii() else "7BIT"
        sender = Sender(None, body=body, smtputf8=not to.is_ascii)  # type: ignore[arg-type]
        return Acceptance(trace_id, now, sender, notice, summarise(notice), destinations)


def _action(event: Event) -> Action | None:
    """Which notice the sender asked for or expects; none that was declined (RFC 3461 §4.1)."""
    notify, outcome = event.recipient.recipient.notify, event.outcome
    if "NEVER" in notify:
        return None
    if outcome.state == "failed":
        return "failed" if not notify or "FAILURE" in notify else None
    if outcome.state == "done":
        return "relayed" if "SUCCESS" in notify and not event.answer.notifies else None
    newly = outcome.delayed_notice and not event.recipient.delayed_notice
    return "delayed" if newly and (not notify or "DELAY" in notify) else None


def _told(event: Event, action: Action, expires_at: float) -> DsnRecipient:
    otherwise = {"failed": "5.0.0", "delayed": "4.0.0"}.get(action, "2.0.0")
    status = status_of(event.outcome.reply, otherwise)
    if action == "failed" and not status.startswith("5"):
        status = "5.4.7"  # delivery time expired (RFC 3463 §3.5)
    return DsnRecipient(
        final=event.recipient.recipient.address,
        action=action,
        status=status,
        original=event.recipient.recipient.orcpt,
        written_to=event.recipient.original,
        remote_mta=event.outcome.relay,
        reply=event.outcome.reply,
        retry_until=expires_at if action == "delayed" else None,
    )
