"""Mail that its sender wants to leave later (FUTURERELEASE, RFC 4865): it waits in the queue, also for mailboxes here.

Used by dispose. What was decided about the message when it came in stands; what filters send because of it waits with it.
"""

from __future__ import annotations

from dataclasses import replace

from posthouse.model.local_hop import local_hop
from posthouse.model.plan import Acceptance, Destination, ToMailbox, ToQueue


def postponed(acceptance: Acceptance, until: float) -> Acceptance:
    """The same, not before ``until`` (seconds since 1970). What is held back for other reasons stays so."""
    destinations = tuple(_in_queue(destination) for destination in acceptance.destinations)
    return replace(acceptance, sender=replace(acceptance.sender, hold_until=until), destinations=destinations)


def _in_queue(destination: Destination) -> Destination:
    if isinstance(destination, ToMailbox):
        return ToQueue(destination.recipient, local_hop(destination))
    return destination
