"""What administrators and senders did with queued mail, told in its traces (INB-9)."""

from __future__ import annotations

from posthouse.admin.context import Context
from posthouse.model.queued import QueuedMessage
from posthouse.model.trace import TraceRecord, TraceStep


def note(context: Context, message: QueuedMessage, verb: str, detail: str, *more: str) -> None:
    """One step for each recipient that has not got it yet. ``more`` are addresses under which it is found as well."""
    now = context.clock.now()
    whom = tuple(str(each.recipient) for each in message.recipients if each.state in ("waiting", "held"))
    steps = tuple(TraceStep(now, "queue", verb, verb, each, detail) for each in whom)
    context.traces.record(
        TraceRecord(
            trace_id=message.trace_id,
            at=now,
            service="queue",
            client="",
            helo="",
            account="",
            sender=str(message.sender),
            recipients=(*whom, *more),
            message_id="",
            subject="",
            size_bytes=message.size_bytes,
            outcome="accepted" if more else "discarded",
            reply="",
            steps=steps,
        )
    )
