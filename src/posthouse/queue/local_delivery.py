"""Into a mailbox here, of mail that has waited for its time (RFC 4865). The plan for it was made when it came in.

An account that is gone meanwhile is a failure that its sender is told of. Failing otherwise: nothing has happened, it is tried
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from posthouse.formats.mime import summarise
from posthouse.interfaces.courier import Answer
from posthouse.model.local_hop import mailbox_of
from posthouse.model.plan import Acceptance
from posthouse.model.queued import QueuedMessage

HasAccount = Callable[[int], Awaitable[bool]]


async def copy_for(
    message: QueuedMessage, next_hop: str, content: bytes, *, now: float, has_account: HasAccount | None
) -> tuple[Answer, Acceptance | None]:
    """What becomes of the recipients of ``message``, and the copy for their mailbox. Raises Temporary when the directory cannot
    be asked."""
    try:
        destinations = tuple(mailbox_of(next_hop, each.recipient) for each in message.recipients)
    except ValueError:
        return Answer(550, "550 5.3.5 The mailbox is not understood"), None
    if has_account is not None and not await has_account(destinations[0].account_id):
        return Answer(550, "550 5.1.1 There is no such account any more"), None
    summary = await asyncio.to_thread(summarise, content)
    # All of them lead to one mailbox, which gets one copy.
    copy = Acceptance(message.trace_id, now, message.sender, content, summary, destinations[:1])
    return Answer(250, "250 2.1.5 Delivered", final=True), copy
