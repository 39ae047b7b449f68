"""Mail that waits for the time that its sender gave (FUTURERELEASE, RFC 4865): senders list it, cancel it, send it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.operation import operation
from posthouse.admin.queuestory import note
from posthouse.admin.rendering import stamp
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.address import Address
from posthouse.model.queued import QueuedMessage

_PAGE = 500
_SEES_ALL = ("administrator", "help-desk", "reader")


@dataclass(frozen=True, slots=True)
class PostponedRow:
    """One message that waits for its time. ``leaves``: the earliest that it may leave."""

    queue_id: str
    leaves: str
    queued: str
    sender: str
    recipients: tuple[str, ...]
    size_bytes: int


@operation("postponed list", role="user", scope="domain", reads=True)
async def list_(context: Context, *, account: Address | None = None, limit: int = 1000) -> Sequence[PostponedRow]:
    """Lists messages that wait for the time that their sender gave, oldest first: one's own, or those of an account.

    Args:
        account: whose, for administrators; without it, one's own.
        limit: how many to show at most.
    """
    whose = account.key if account is not None else context.who.lower()
    if "@" not in whose:
        raise BadValue("whose? say --account")
    if not _may(context, whose, see=True):
        raise NotAllowed(f"{context.who} may not see what {whose} sends")
    rows: list[PostponedRow] = []
    after, now = "", context.clock.now()
    while len(rows) < limit and (page := await context.spool.listing(account=whose, after=after, limit=_PAGE)):
        rows += [_row(message) for message in page if message.sender.hold_until > now]
        after = page[-1].queue_id
    return rows[:limit]


@operation("postponed cancel", role="user", scope="domain")
async def cancel(context: Context, queue_ids: tuple[str, ...]) -> Sequence[PostponedRow]:
    """Takes messages back before they leave, without notice to anyone.

    Args:
        queue_ids: which messages, as the list shows them.
    """
    found = [await _own(context, queue_id) for queue_id in queue_ids]
    for message in found:
        if not await context.spool.delete(message.queue_id):
            raise _gone(message.queue_id)
        note(context, message, "cancelled", f"by {context.who}")
    return [_row(message) for message in found]


@operation("postponed send", role="user", scope="domain")
async def send(context: Context, queue_ids: tuple[str, ...]) -> Sequence[PostponedRow]:
    """Sends messages now instead of at their time.

    Args:
        queue_ids: which messages, as the list shows them.
    """
    found = [await _own(context, queue_id) for queue_id in queue_ids]
    for message in found:
        if any(each.state == "held" for each in message.recipients):
            raise NotAllowed(f"an administrator holds {message.queue_id}")
        if not await context.spool.set_state(message.queue_id, "waiting", next_attempt_at=context.clock.now()):
            raise _gone(message.queue_id)
    context.bus.publish("queue", {"retry": True})
    return [_row(message) for message in found]


async def _own(context: Context, queue_id: str) -> QueuedMessage:
    """A message that waits for its time and that the caller may touch; what others have is not there for them."""
    message = await context.spool.get(queue_id.upper())
    if message is None or message.sender.hold_until <= context.clock.now() or not _may(context, message.sender.auth.lower()):
        raise _gone(queue_id)
    return message


def _may(context: Context, account: str, *, see: bool = False) -> bool:
    if context.role == "administrator" or (see and context.role in _SEES_ALL) or account == context.who.lower():
        return True
    return context.role == "domain-administrator" and account.rpartition("@")[2] == context.own_domain


def _row(message: QueuedMessage) -> PostponedRow:
    return PostponedRow(
        queue_id=message.queue_id,
        leaves=stamp(message.sender.hold_until),
        queued=stamp(message.queued_at),
        sender=str(message.sender) or "<>",
        recipients=tuple(str(each.recipient) for each in message.recipients),
        size_bytes=message.size_bytes,
    )


def _gone(queue_id: str) -> NotFound:
    return NotFound(f"no message {queue_id} waits for its time")
