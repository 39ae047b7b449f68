"""The queue's runner over an in-memory house and a scripted courier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from posthouse.formats.mime import summarise
from posthouse.interfaces.courier import Answer, Parcel, Target
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToQueue
from posthouse.model.queued import State
from posthouse.queue.attempt import Tools
from posthouse.queue.runner import QueueRunner
from posthouse.queue.targets import Targets
from support.house import House

CONTENT = b"Return-Path: <jane@example.test>\r\nReceived: x\r\nSubject: out\r\n\r\nbody\r\n"


@dataclass
class ScriptedCourier:
    """`script` decides each delivery; what was sent is kept."""

    script: Callable[[Target, Parcel], Sequence[Answer]]
    sent: list[tuple[Target, Parcel]] = field(default_factory=list)
    now: int = 0
    most: int = 0
    gate: asyncio.Event | None = None

    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.gate is not None:
                await self.gate.wait()
            self.sent.append((target, parcel))
            return self.script(target, parcel)
        finally:
            self.now -= 1

    async def probe(self, target: Target, recipient: Recipient) -> Answer:
        raise NotImplementedError

    async def close(self) -> None:
        return None


def says(code: int, text: str = "", *, notifies: bool = False) -> Callable[[Target, Parcel], Sequence[Answer]]:
    return lambda target, parcel: [Answer(code, f"{code} {text}".strip(), notifies)] * len(parcel.recipients)


def make(house: House, courier: ScriptedCourier) -> QueueRunner:
    targets = Targets(house.resolver, lambda: house.settings.queue, lambda: ["mx.example.test"], lambda group: None)
    tools = Tools(house.spool, courier, targets, house.notices, house.traces, house.clock, lambda: house.settings.queue)
    return QueueRunner(tools)


async def enqueue(
    house: House, *recipients: Recipient, sender: Sender | None = None, hop: str = "192.0.2.50:25", content: bytes = CONTENT
) -> str:
    trace_id = house.ids.new()
    sender = sender or Sender(Address.parse("jane@example.test"))
    destinations = tuple(ToQueue(recipient, next_hop=hop) for recipient in recipients)
    await house.sink.commit(Acceptance(trace_id, house.clock.now(), sender, content, summarise(content), destinations))
    return trace_id


def far(text: str = "x@faraway.test", *notify: str) -> Recipient:
    return Recipient(Address.parse(text), frozenset(notify))  # type: ignore[arg-type]


async def settle(runner: QueueRunner) -> None:
    """One round of the schedule and all the attempts it starts."""
    await runner._schedule()
    while runner._tasks:
        await asyncio.gather(*list(runner._tasks))


async def states(house: House, queue_id: str) -> list[State]:
    message = await house.spool.get(queue_id)
    return [recipient.state for recipient in message.recipients] if message else []
