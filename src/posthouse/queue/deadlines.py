"""What is left of the time that a sender gave for delivery (RFC 2852), at each attempt.

Mode R: when it is over the message goes back and is not tried any more. Mode N: the sender is told, and it is tried on.
"""

from __future__ import annotations

from dataclasses import replace

from posthouse.interfaces.courier import Answer
from posthouse.model.envelope import DeliverBy, Sender
from posthouse.model.queued import QueuedMessage, QueuedRecipient


def is_over(message: QueuedMessage, now: float) -> bool:
    """Whether the time has run out here; not when it was over before the message came."""
    deadline = message.deliver_by
    return deadline is not None and now >= deadline


def returns(message: QueuedMessage) -> bool:
    """Whether the message goes back then."""
    return message.sender.by is not None and message.sender.by.returns


def too_late(recipient: QueuedRecipient) -> Answer:
    """What is said instead of trying once more."""
    last = f"; the last answer was: {recipient.last_reply}" if recipient.last_reply else ""
    return Answer(554, f"554 5.4.7 Delivery time expired{last}")


def with_time_left(sender: Sender, message: QueuedMessage, now: float) -> Sender:
    """The sender as the next host is told: with what is left of the time."""
    by = sender.by
    if by is None:
        return sender
    left_s = int(message.begins_at + by.by_s - now)
    return replace(sender, by=DeliverBy(max(left_s, 1) if by.returns else left_s, by.returns, by.trace))
