"""Sends the letters that the node itself writes: by the door of all mail, from the null sender, never answered by a DSN."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.formats.mime import summarise
from posthouse.formats.node_letter import Letterhead
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.traces import TraceLog
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToMailbox, ToQueue
from posthouse.pipeline.filter_mail import Onward
from posthouse.queue.notices import record_of


@dataclass(frozen=True, slots=True)
class LetterTools:
    """How the node's own mail is sent."""

    directory: Directory
    onward: Onward
    sink: Sink
    traces: TraceLog
    clock: Clock
    ids: Ids
    node_name: str
    sign: Callable[[bytes], Awaitable[bytes]] | None = None


async def send_letter(tools: LetterTools, to: Address, write: Callable[[Letterhead], bytes], why: str) -> bool:
    """False if the address leads nowhere. ``why`` stands in the trace. Raises MailError; then nothing was sent."""
    destinations = tuple(await tools.onward(Recipient(to, frozenset(("NEVER",)))))
    if not destinations:
        return False
    trace_id, now = tools.ids.new(), tools.clock.now()
    content = write(Letterhead(tools.node_name, to, now, f"<{trace_id}@{tools.node_name}>"))
    if tools.sign is not None and any(isinstance(each, ToQueue) for each in destinations):
        content = await tools.sign(content)
    if any(isinstance(each, ToMailbox) for each in destinations):
        content = b"Return-Path: <>\r\n" + content
    sender = Sender(None, body="7BIT" if content.isascii() else "8BITMIME", smtputf8=not to.is_ascii)
    acceptance = Acceptance(trace_id, now, sender, content, summarise(content), destinations)
    await tools.sink.commit(acceptance)
    tools.traces.record(record_of(acceptance, why))
    return True
