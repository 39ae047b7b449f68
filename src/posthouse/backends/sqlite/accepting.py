"""An acceptance as the unit ``accept`` takes it (``units_accept.py``): packed in the process that has the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posthouse.backends.sqlite.held_rows import held_values
from posthouse.backends.sqlite.parcels import pack_recipient, pack_sender
from posthouse.base.ids import Ids
from posthouse.model.envelope import Sender
from posthouse.model.plan import Acceptance, ToMailbox, ToQuarantine, ToQueue


def accept_arguments(
    acceptance: Acceptance, packed: list[Any], ids: Ids, lifetime_s: float, allowed: Mapping[int, Any] | None = None
) -> list[Any]:
    """The arguments of the unit ``accept``, with ``packed``, the parcel of the content; ``allowed`` by account (``model.limits.
    packed``), None where quotas are not looked at."""
    mailboxes: list[Any] = []
    recipients: list[Any] = []
    held: list[Any] = []
    for destination in acceptance.destinations:
        if isinstance(destination, ToMailbox):
            granted = allowed.get(destination.account_id) if allowed else None
            mailboxes.append((destination.account_id, destination.mailbox, destination.flags, granted))
        elif isinstance(destination, ToQueue):
            recipients.append((pack_recipient(destination.recipient), destination.next_hop, destination.original))
        elif isinstance(destination, ToQuarantine):
            held.append(held_values(acceptance, destination))
    begins_at = max(acceptance.received_at, acceptance.sender.hold_until)
    return [
        acceptance.trace_id,
        ids.new() if recipients else "",
        acceptance.received_at,
        pack_sender(acceptance.sender) if recipients else b"",
        packed,
        mailboxes,
        recipients,
        begins_at + lifetime_s,
        held,
        begins_at,
        acceptance.sender.priority,
        account_of(acceptance.sender) if recipients else "",
    ]


def account_of(sender: Sender) -> str:
    """Whose message it is, by address; "" where no account of ours sent it."""
    return sender.auth.lower() if "@" in sender.auth else ""
