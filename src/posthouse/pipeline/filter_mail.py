"""Messages that filters send: answers, notifications, excerpts (CON-2). Part of stage ``filters``.

They have the null sender, so that nothing comes back because of them and no machine answers; scripts are not run on them.
RFC 5230 §5, RFC 5436 §2.7, RFC 8580.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.content.sieve import Facts
from posthouse.content.sieve.actions import Excerpt, Notify, Vacation
from posthouse.content.sieve.notices import excerpt_message, mailto_recipients, notify_message, vacation_message
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, Destination, ToMailbox, ToQueue

Onward = Callable[[Recipient], Awaitable[Sequence[Destination]]]
Sign = Callable[[bytes, str], Awaitable[bytes]]
RETURN_PATH = b"Return-Path: <>\r\n"


@dataclass(frozen=True, slots=True)
class FilterMail:
    """Writes them; ``onward`` tells where the node's own mail for an address goes; ``sign`` signs for a user's domain."""

    clock: Clock
    ids: Ids
    node_name: str
    onward: Onward
    sign: Sign | None = None

    async def written(self, action: Vacation | Notify | Excerpt, facts: Facts, account_id: int) -> Acceptance | None:
        """The message of an action, ready to be kept; None if it leads nowhere. Copies for :fcc go to ``account_id``."""
        trace_id = self.ids.new()
        message_id = f"<{trace_id}@{self.node_name}>"
        if isinstance(action, Vacation):
            to, content, fcc = [action.to], vacation_message(action, facts, message_id), action.fcc
        elif isinstance(action, Notify):
            to, content, fcc = mailto_recipients(action.method), notify_message(action, facts, message_id), action.fcc
        else:
            to, content, fcc = [action.address], excerpt_message(action, facts, message_id), ""
        recipients = [Recipient(Address.parse(text), frozenset(("NEVER",))) for text in to]
        found = [destination for recipient in recipients for destination in await self.onward(recipient)]
        if not found:
            return None
        if fcc and account_id > 0 and facts.owner:
            found.append(ToMailbox(Recipient(Address.parse(facts.owner)), account_id, fcc, ("\\Seen",), facts.owner))
        if self.sign is not None and facts.owner and any(isinstance(destination, ToQueue) for destination in found):
            content = await self.sign(content, facts.owner.rpartition("@")[2])
        if any(isinstance(destination, ToMailbox) for destination in found):
            content = RETURN_PATH + content
        utf8 = not all(recipient.address.is_ascii for recipient in recipients)
        sender = Sender(None, body="7BIT" if content.isascii() else "8BITMIME", smtputf8=utf8)
        return Acceptance(trace_id, self.clock.now(), sender, content, summarise(content), tuple(found))
