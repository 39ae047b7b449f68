"""A message in the outbound queue, and one recipient's state in it (OUT-6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.model.envelope import Recipient, Sender

State = Literal["waiting", "held", "done", "failed"]


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """``next_attempt_at`` in seconds since 1970. ``last_reply`` is the last answer of the remote, one line.

    ``delayed_notice`` tells whether the delay warning went out. ``relay`` is the host that answered last.
    """

    recipient_id: int
    queue_id: str
    recipient: Recipient
    original: str
    next_hop: str
    state: State
    attempts: int
    next_attempt_at: float
    last_reply: str
    relay: str
    delayed_notice: bool


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """``queue_id`` is the message's trace id, or one of its own for DSNs. ``body_id`` names its content in the store."""

    queue_id: str
    trace_id: str
    sender: Sender
    body_id: int
    size_bytes: int
    queued_at: float
    expires_at: float
    recipients: tuple[QueuedRecipient, ...]

    @property
    def who(self) -> str:
        """In whose turn it goes: the account that sent it, else the sender's address, "" for notices."""
        return self.sender.auth.lower() or (self.sender.address.key if self.sender.address is not None else "")

    @property
    def begins_at(self) -> float:
        """When its time began to run: when it came, or when it might leave at the earliest (RFC 4865)."""
        return max(self.queued_at, self.sender.hold_until)

    @property
    def deliver_by(self) -> float | None:
        """When its sender wants it delivered by; None if nothing was said, or the time was over before it came (RFC 2852)."""
        by = self.sender.by
        return self.begins_at + by.by_s if by is not None and by.by_s > 0 else None


@dataclass(frozen=True, slots=True)
class Delay:
    """A recipient that was due at ``was_due_at`` is put off without a try."""

    recipient_id: int
    was_due_at: float
    again_at: float
    reply: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt did to one recipient. ``waiting`` with a new ``next_attempt_at``, or ``done``, or ``failed``."""

    recipient_id: int
    state: State
    reply: str
    relay: str
    next_attempt_at: float = 0.0
    delayed_notice: bool = False
