"""The outbound queue as administrators see it (OUT-6): list, show, retry, hold, release, delete, redirect, export."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from posthouse.admin.context import Context
from posthouse.admin.ldapdesk import outside_of
from posthouse.admin.operation import operation
from posthouse.admin.queuestory import note
from posthouse.admin.rendering import record, stamp
from posthouse.base.errors import BadValue, NotFound
from posthouse.directory.resolve import RecipientResolver
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.plan import Acceptance, ToMailbox
from posthouse.model.queued import Outcome, QueuedMessage, QueuedRecipient, State
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.postpone import postponed
from posthouse.queue.causes import cause_of

_PAGE = 500
_TOGETHER = 100
_MAX_HEADER = 65_536


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queued message in a list. ``next_attempt`` is the earliest of its waiting recipients', ``not_before`` when its sender
    lets it leave, if that is still to come."""

    queue_id: str
    queued: str
    sender: str
    recipients: tuple[str, ...]
    state: str
    attempts: int
    next_attempt: str
    size_bytes: int
    last_reply: str
    not_before: str = ""


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """One recipient's state."""

    recipient: str
    state: str
    attempts: int
    next_attempt: str
    next_hop: str
    relay: str
    last_reply: str
    cause: str


@dataclass(frozen=True, slots=True)
class QueueDetail:
    """One queued message with all its recipients, done ones too."""

    queue_id: str
    trace_id: str
    sender: str
    size_bytes: int
    queued: str
    expires: str
    recipients: tuple[RecipientRow, ...]
    header: str = ""
    not_before: str = ""
    deliver_by: str = ""
    priority: int = 0

    def told(self) -> str:
        """As a record with a table of recipients, and the header below if asked for."""
        wishes = [name for name in ("not_before", "deliver_by", "priority") if getattr(self, name)]
        names = ("queue_id", "trace_id", "sender", "size_bytes", "queued", "expires", *wishes)
        shown = record({name: getattr(self, name) for name in names})
        lines = [shown, "recipients:"]
        for each in self.recipients:
            when = f", next at {each.next_attempt}" if each.next_attempt else ""
            host = f" from {each.relay}" if each.relay else ""
            reply = f"; last answer{host}: {each.last_reply}" if each.last_reply else ""
            lines.append(f"  {each.recipient}: {each.state} after {each.attempts} attempts{when}{reply}")
        return "\n".join([*lines, "", self.header] if self.header else lines)


@dataclass(frozen=True, slots=True)
class Touched:
    """How much an operation changed."""

    messages: int
    recipients: int


def _next_attempt(recipient: QueuedRecipient) -> str:
    return stamp(recipient.next_attempt_at) if recipient.state == "waiting" else ""


def _not_before(message: QueuedMessage, now: float) -> str:
    return stamp(message.sender.hold_until) if message.sender.hold_until > now else ""


def _row(message: QueuedMessage, now: float) -> QueueRow:
    waiting = [each.next_attempt_at for each in message.recipients if each.state == "waiting"]
    states = sorted({each.state for each in message.recipients})
    replies = [each.last_reply for each in message.recipients if each.last_reply]
    return QueueRow(
        queue_id=message.queue_id,
        queued=stamp(message.queued_at),
        sender=str(message.sender) or "<>",
        recipients=tuple(str(each.recipient) for each in message.recipients),
        state=", ".join(states),
        attempts=max((each.attempts for each in message.recipients), default=0),
        next_attempt=stamp(min(waiting)) if waiting else "",
        size_bytes=message.size_bytes,
        last_reply=replies[0] if replies else "",
        not_before=_not_before(message, now),
    )


@operation("queue list", role="help-desk", reads=True)
async def list_(
    context: Context, *, state: State | None = None, limit: int = 1000, after: str = "", account: Address | None = None
) -> Sequence[QueueRow]:
    """Lists the messages in the outbound queue, oldest first.

    Args:
        state: only messages with recipients in this state.
        limit: how many to show at most.
        after: queue id after which to go on.
        account: only what this account has sent.
    """
    now = context.clock.now()
    whose = account.key if account is not None else ""
    found = await context.spool.listing(state=state, limit=limit, after=after, account=whose)
    return [_row(message, now) for message in found]


@operation("queue count", role="reader", reads=True)
async def count(context: Context) -> dict[str, int]:
    """Counts the recipients in the queue by state."""
    return await context.spool.count()


@operation("queue show", role="help-desk", reads=True)
async def show(context: Context, queue_id: str, *, header: bool = False) -> QueueDetail:
    """Shows one queued message: every recipient's state, attempts, and the last answer of the other side.

    Args:
        queue_id: as the list shows it.
        header: show the message's header, too.
    """
    return await _detail(context, queue_id, header=header)


async def _detail(context: Context, queue_id: str, *, header: bool = False) -> QueueDetail:
    message = await context.spool.get(queue_id.upper())
    if message is None:
        raise _no_message(queue_id)
    return QueueDetail(
        queue_id=message.queue_id,
        trace_id=message.trace_id,
        sender=str(message.sender) or "<>",
        size_bytes=message.size_bytes,
        queued=stamp(message.queued_at),
        expires=stamp(message.expires_at),
        recipients=tuple(
            RecipientRow(
                recipient=str(each.recipient),
                state=each.state,
                attempts=each.attempts,
                next_attempt=_next_attempt(each),
                next_hop=each.next_hop,
                relay=each.relay,
                last_reply=each.last_reply,
                cause=cause_of(each.last_reply) if each.last_reply else "",
            )
            for each in message.recipients
        ),
        header=_header(await context.spool.content(message.body_id)) if header else "",
        not_before=_not_before(message, context.clock.now()),
        deliver_by=stamp(message.deliver_by) if message.deliver_by is not None else "",
        priority=message.sender.priority,
    )


def _header(content: bytes) -> str:
    raw = content[:_MAX_HEADER].partition(b"\r\n\r\n")[0]
    return raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\t", " ")


@operation("queue retry", role="administrator")
async def retry(context: Context, queue_ids: tuple[str, ...] = ()) -> Touched:
    """Tries delivery now instead of at the planned time.

    Args:
        queue_ids: which messages, also those that their senders want to leave later; without any, all others that wait.
    """
    now = context.clock.now()
    if queue_ids:
        touched = await _set_all(context, queue_ids, "waiting", next_attempt_at=now)
    else:
        touched = await _retry_all(context, now)
    context.bus.publish("queue", {"retry": True})
    return touched


@operation("queue hold", role="administrator")
async def hold(context: Context, queue_ids: tuple[str, ...]) -> Touched:
    """Keeps messages in the queue without trying to deliver them, until they are released.

    Args:
        queue_ids: which messages.
    """
    return await _set_all(context, queue_ids, "held")


@operation("queue release", role="administrator")
async def release(context: Context, queue_ids: tuple[str, ...]) -> Touched:
    """Lets messages go that were held; delivery is tried at once, or at the time before which they may not leave.

    Args:
        queue_ids: which messages.
    """
    now, touched = context.clock.now(), Touched(0, 0)
    for queue_id in queue_ids:
        message = await context.spool.get(queue_id.upper())
        at = max(now, message.sender.hold_until) if message is not None else now
        one = await _set_all(context, [queue_id], "waiting", next_attempt_at=at)
        touched = Touched(touched.messages + one.messages, touched.recipients + one.recipients)
    context.bus.publish("queue", {"retry": True})
    return touched


@operation("queue delete", role="administrator")
async def delete(context: Context, queue_ids: tuple[str, ...]) -> Touched:
    """Takes messages out of the queue without notice to anyone.

    Args:
        queue_ids: which messages.
    """
    recipients = 0
    for queue_id in queue_ids:
        message = await context.spool.get(queue_id.upper())
        if message is None or not await context.spool.delete(message.queue_id):
            raise _no_message(queue_id)
        note(context, message, "deleted", f"by {context.who}, without notice")
        recipients += len(message.recipients)
    return Touched(len(queue_ids), recipients)


@operation("queue redirect", role="administrator")
async def redirect(context: Context, queue_id: str, address: Address) -> Touched:
    """Sends a queued message to another address instead of those recipients that have not got it yet.

    Args:
        queue_id: which message.
        address: who gets it now, here or elsewhere.
    """
    message = await context.spool.get(queue_id.upper())
    open_ = [each for each in message.recipients if each.state in ("waiting", "held")] if message else []
    if message is None or not open_:
        raise _no_message(queue_id)
    reply = f"250 2.0.0 redirected to {address} by {context.who}"
    outcomes = [Outcome(each.recipient_id, "done", reply, "") for each in open_]
    await context.spool.record(message.queue_id, outcomes, await _instead(context, message, address))
    note(context, message, "redirect", f"to {address}, by {context.who}", str(address))
    context.bus.publish("queue", {"retry": True})
    return Touched(1, len(open_))


@operation("queue export", role="administrator", reads=True, audited=True)
async def export(context: Context, queue_ids: tuple[str, ...], *, path: str) -> Sequence[str]:
    """Writes queued messages into files on this machine, octet for octet, and leaves them in the queue.

    For each message there are ``ID.eml`` and ``ID.json``, its sender and the recipients that have not got it yet, as
    ``queue show`` tells them. A file that is there already is left as it is, and the operation ends.

    Args:
        queue_ids: which messages.
        path: absolute path of a folder; it is made if it is not there.
    """
    if not path.startswith("/") or "\0" in path:
        raise BadValue("the path must be absolute: the node does not know where you are")
    written: list[str] = []
    for queue_id in queue_ids:
        detail = await _detail(context, queue_id)
        message = await context.spool.get(detail.queue_id)
        if message is None:
            raise _no_message(queue_id)
        content = await context.spool.content(message.body_id)
        written += await asyncio.to_thread(_write, Path(path), detail, content)
    return written


def _write(folder: Path, detail: QueueDetail, content: bytes) -> list[str]:
    """Both files, for nobody but the node's own user. Raises BadValue."""
    envelope = msgspec.json.format(msgspec.json.encode(detail), indent=2) + b"\n"
    names = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, octets in ((f"{detail.queue_id}.eml", content), (f"{detail.queue_id}.json", envelope)):
            with open(folder / name, "xb", opener=partial(os.open, mode=0o600)) as file:
                file.write(octets)
            names.append(str(folder / name))
    except OSError as error:
        raise BadValue(f"the files cannot be written: {error.strerror}") from error
    return names


async def _instead(context: Context, message: QueuedMessage, address: Address) -> Acceptance:
    """The same message on its way to ``address``, under the same trace id."""
    settings = await context.configuration.load()
    onward = Onward(
        RecipientResolver(context.directory, lambda: settings, outside=outside_of(context)),
        context.routes,
        lambda: settings.route.message_router,
    )
    destinations = tuple(await onward.own_mail(Recipient(address)))
    if not destinations:
        raise NotFound(f"{address} leads nowhere")
    content = await context.spool.content(message.body_id)
    local = any(isinstance(destination, ToMailbox) for destination in destinations)
    if local and content[:12].lower() != b"return-path:":
        content = f"Return-Path: <{message.sender}>\r\n".encode() + content
    now = context.clock.now()
    instead = Acceptance(message.trace_id, now, message.sender, content, summarise(content), destinations)
    return postponed(instead, message.sender.hold_until) if message.sender.hold_until > now else instead


async def _retry_all(context: Context, now: float) -> Touched:
    """Page by page: a long queue does not stand in the way of other writers."""
    touched, after = Touched(0, 0), ""
    while True:
        messages, recipients, after = await context.spool.retry(now, after=after, limit=_PAGE)
        touched = Touched(touched.messages + messages, touched.recipients + recipients)
        if not after:
            return touched


async def _set_all(context: Context, queue_ids: Sequence[str], state: State, *, next_attempt_at: float = 0.0) -> Touched:
    messages = recipients = 0
    for at in range(0, len(queue_ids), _TOGETHER):
        some = queue_ids[at : at + _TOGETHER]
        changes = (context.spool.set_state(queue_id.upper(), state, next_attempt_at=next_attempt_at) for queue_id in some)
        changed = await asyncio.gather(*changes)
        if 0 in changed:
            raise _no_message(some[changed.index(0)])
        messages += sum(map(bool, changed))
        recipients += sum(changed)
    return Touched(messages, recipients)


def _no_message(queue_id: str) -> NotFound:
    return NotFound(f"there is no message {queue_id} in the queue")
