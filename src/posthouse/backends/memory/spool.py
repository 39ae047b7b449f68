"""The outbound queue in memory: the fake that the queue's tests use, and the oracle of the real spool's tests.

It keeps the contract of ``interfaces.spool``; nothing in it is durable. It shares nothing with the mailboxes: a bounce that
goes to local mailboxes reaches them through ``accept``, which ``MemorySink`` sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from posthouse.backends.notices import Committed, OnCommitted, ignore
from posthouse.base.clock import Clock, SystemClock
from posthouse.base.errors import BadValue, NotFound
from posthouse.base.ids import Ids
from posthouse.model.plan import Acceptance, ToQueue
from posthouse.model.queued import Delay, Outcome, QueuedMessage, QueuedRecipient, State

OPEN: tuple[State, ...] = ("waiting", "held")


@dataclass(slots=True)
class _Entry:
    message: QueuedMessage
    recipients: dict[int, QueuedRecipient] = field(default_factory=dict)

    def with_recipients(self, states: Sequence[State] | None = None) -> QueuedMessage:
        chosen = (recipient for recipient in self.recipients.values() if states is None or recipient.state in states)
        return replace(self.message, recipients=tuple(chosen))


class MemorySpool:
    """See ``interfaces.spool``. ``lifetime_s`` gives how long delivery of a new message will be tried."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        lifetime_s: Callable[[], float] = lambda: 432_000.0,
        on_committed: OnCommitted = ignore,
    ) -> None:
        self._clock = clock or SystemClock()
        self._ids = Ids(self._clock)
        self._lifetime_s = lifetime_s
        self._on_committed = on_committed
        self._entries: dict[str, _Entry] = {}
        self._bodies: dict[int, bytes] = {}
        self._last_id = 0
        self.accept: Callable[[Acceptance], None] = self.enqueue

    def enqueue(self, acceptance: Acceptance) -> None:
        """Takes in the destinations that are ``ToQueue``, due at once; nothing if there are none."""
        wanted = [destination for destination in acceptance.destinations if isinstance(destination, ToQueue)]
        if not wanted:
            return
        queue_id = acceptance.trace_id if acceptance.trace_id not in self._entries else self._ids.new()
        self._last_id += 1
        self._bodies[self._last_id] = acceptance.content
        begins_at = max(acceptance.received_at, acceptance.sender.hold_until)
        message = QueuedMessage(
            queue_id=queue_id,
            trace_id=acceptance.trace_id,
            sender=acceptance.sender,
            body_id=self._last_id,
            size_bytes=len(acceptance.content),
            queued_at=acceptance.received_at,
            expires_at=begins_at + self._lifetime_s(),
            recipients=(),
        )
        entry = self._entries[queue_id] = _Entry(message)
        for destination in wanted:
            self._last_id += 1
            entry.recipients[self._last_id] = QueuedRecipient(
                recipient_id=self._last_id,
                queue_id=queue_id,
                recipient=destination.recipient,
                original=destination.original,
                next_hop=destination.next_hop,
                state="waiting",
                attempts=0,
                next_attempt_at=begins_at,
                last_reply="",
                relay="",
                delayed_notice=False,
            )
        self._on_committed(Committed(queue=True))

    async def latest(self, now: float, limit: int) -> Sequence[QueuedMessage]:
        every = await self.due(now, len(self._waiting()))
        keys = sorted((each.next_attempt_at, each.recipient_id) for message in every for each in message.recipients)[-limit:]
        return await self.due(now, limit, (keys[0][0], keys[0][1] - 1)) if keys else []

    async def due(
        self, now: float, limit: int, after: tuple[float, int] = (0.0, 0), *, urgent: bool = False
    ) -> Sequence[QueuedMessage]:
        due = sorted(
            (recipient.next_attempt_at, recipient.recipient_id, recipient)
            for recipient in self._waiting()
            if recipient.next_attempt_at <= now
            and (recipient.next_attempt_at, recipient.recipient_id) > after
            and not (urgent and self._entries[recipient.queue_id].message.sender.priority <= 0)
        )[:limit]
        messages: dict[str, list[QueuedRecipient]] = {}
        for _, _, recipient in due:
            messages.setdefault(recipient.queue_id, []).append(recipient)
        return [replace(self._entries[queue_id].message, recipients=tuple(found)) for queue_id, found in messages.items()]

    async def next_due(self, later_than: float = -1.0) -> float | None:
        due = (recipient.next_attempt_at for recipient in self._waiting())
        return min((at for at in due if at > later_than), default=None)

    async def get(self, queue_id: str) -> QueuedMessage | None:
        entry = self._entries.get(queue_id)
        return entry.with_recipients() if entry else None

    async def waiting(self, queue_id: str) -> frozenset[int]:
        entry = self._entries.get(queue_id)
        recipients = entry.recipients.values() if entry else ()
        return frozenset(recipient.recipient_id for recipient in recipients if recipient.state == "waiting")

    async def listing(
        self, *, state: State | None = None, limit: int = 1000, after: str = "", account: str = ""
    ) -> Sequence[QueuedMessage]:
        states = (*OPEN, "failed") if state is None else (state,)
        found = (self._entries[queue_id].with_recipients(states) for queue_id in sorted(self._entries) if queue_id > after)
        whose = account.lower()
        return [message for message in found if message.recipients and (not whose or message.sender.auth.lower() == whose)][
            :limit
        ]

    async def postponed(self, account: str, now: float, most: int) -> int:
        mine = (each for each in self._entries.values() if account and each.message.sender.auth.lower() == account.lower())
        waits = [any(not r.attempts and r.next_attempt_at > now for r in each.recipients.values()) for each in mine]
        return min(sum(waits), most)

    async def count(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry in self._entries.values():
            for recipient in entry.recipients.values():
                counts[recipient.state] = counts.get(recipient.state, 0) + 1
        return counts

    async def record(self, queue_id: str, outcomes: Sequence[Outcome], *follow: Acceptance) -> None:
        entry = self._entries.get(queue_id)
        if not entry:
            return
        for outcome in outcomes:
            old = entry.recipients.get(outcome.recipient_id)
            if old is None or old.state not in OPEN:
                continue
            entry.recipients[outcome.recipient_id] = replace(
                old,
                state="held" if (old.state, outcome.state) == ("held", "waiting") else outcome.state,
                attempts=old.attempts + 1,
                next_attempt_at=outcome.next_attempt_at,
                last_reply=outcome.reply,
                relay=outcome.relay,
                delayed_notice=old.delayed_notice or outcome.delayed_notice,
            )
        for each in follow:
            self.accept(each)
        if not any(recipient.state in OPEN for recipient in entry.recipients.values()):
            await self.delete(queue_id)

    async def put_off(self, delays: Sequence[Delay]) -> int:
        waiting, count = {recipient.recipient_id: recipient for recipient in self._waiting()}, 0
        for each in delays:
            old = waiting.get(each.recipient_id)
            if old is not None and old.next_attempt_at == each.was_due_at:
                new = replace(old, attempts=old.attempts + 1, next_attempt_at=each.again_at, last_reply=each.reply, relay="")
                self._entries[old.queue_id].recipients[old.recipient_id] = new
                count += 1
        return count

    async def set_state(self, queue_id: str, state: State, *, next_attempt_at: float = 0.0) -> int:
        if state not in OPEN:
            raise BadValue("A message in the queue can be held or waiting")
        entry = self._entries.get(queue_id)
        changed = 0
        for recipient in list(entry.recipients.values()) if entry else ():
            if entry and recipient.state in OPEN:
                at = next_attempt_at if state == "waiting" else recipient.next_attempt_at
                entry.recipients[recipient.recipient_id] = replace(recipient, state=state, next_attempt_at=at)
                changed += 1
        if changed:
            self._on_committed(Committed(queue=True))
        return changed

    async def set_account_state(self, account: str, state: State, *, after: str = "", limit: int = 100) -> tuple[int, str]:
        if state not in OPEN:
            raise BadValue("A message in the queue can be held or waiting")
        other, changed = ("waiting" if state == "held" else "held"), 0
        page = await self.listing(account=account, after=after, limit=limit) if "@" in account else ()
        for message in page:
            recipients = self._entries[message.queue_id].recipients
            for recipient in list(recipients.values()):
                if recipient.state == other:
                    recipients[recipient.recipient_id] = replace(recipient, state=state)
                    changed += 1
        if changed and state == "waiting":
            self._on_committed(Committed(queue=True))
        return changed, (page[-1].queue_id if len(page) == limit else "")

    async def retry(self, now: float, *, after: str = "", limit: int = 500) -> tuple[int, int, str]:
        page = sorted(queue_id for queue_id in self._entries if queue_id > after)[:limit]
        messages = recipients = 0
        for entry in map(self._entries.__getitem__, page):
            waiting = [each for each in entry.recipients.values() if each.state == "waiting"]
            if waiting and entry.message.sender.hold_until <= now:
                entry.recipients |= {each.recipient_id: replace(each, next_attempt_at=now) for each in waiting}
                messages, recipients = messages + 1, recipients + len(waiting)
        if recipients:
            self._on_committed(Committed(queue=True))
        return messages, recipients, (page[-1] if len(page) == limit else "")

    async def delete(self, queue_id: str) -> bool:
        entry = self._entries.pop(queue_id, None)
        if entry:
            self._bodies.pop(entry.message.body_id, None)
        return entry is not None

    async def content(self, body_id: int) -> bytes:
        try:
            return self._bodies[body_id]
        except KeyError:
            raise NotFound("The message is gone") from None

    def _waiting(self) -> list[QueuedRecipient]:
        entries = self._entries.values()
        return [recipient for entry in entries for recipient in entry.recipients.values() if recipient.state == "waiting"]
