"""What happens to an accepted message, recipient by recipient. Built by route and inspect, carried out by dispose in one unit.

One ``Acceptance`` is one acknowledged unit: whatever its destinations, all of them are durable together or none is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from posthouse.model.envelope import Recipient, Sender
from posthouse.model.summary import Summary
from posthouse.model.verdict import QuarantineKind


@dataclass(frozen=True, slots=True)
class ToMailbox:
    """Into a mailbox of a local account; into INBOX if ``mailbox`` does not exist (plus-addressing never makes one).

    ``account`` is the account's address, for the trace. ``domain_id`` is the account's, for the filters of its domain; 0 where
    nobody will ask.
    """

    recipient: Recipient
    account_id: int
    mailbox: str
    flags: tuple[str, ...] = ()
    account: str = ""
    domain_id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ToQueue:
    """To another host. ``next_hop`` is "" for the domain's MX, or ``host:port`` of a smart host or routed backend.

    ``original`` is the recipient as the client gave it, for DSNs, when alias expansion changed it.
    """

    recipient: Recipient
    next_hop: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class ToNowhere:
    """Accepted and dropped, as a rule said."""

    recipient: Recipient
    why: str


@dataclass(frozen=True, slots=True)
class ToQuarantine:
    """Held back for one recipient (QTN-1). ``name`` is the quarantine's: the policy's for ``filter``, the account or address
    of the recipient for ``junk``, the kind itself for the others. ``stage``, ``rule`` and ``why`` are the deciding verdict's
    reason; ``release_at`` is when it goes on by itself, in seconds since the epoch, 0: never. ``onward`` is where it was
    going, and goes when it is released; None: that is looked up then.
    """

    recipient: Recipient
    kind: QuarantineKind
    name: str
    stage: str
    rule: str
    why: str
    release_at: float = 0.0
    onward: ToMailbox | ToQueue | None = None


Destination = ToMailbox | ToQueue | ToQuarantine | ToNowhere


@dataclass(frozen=True, slots=True)
class Origin:
    """How a message came, for what is held and goes on later. ``trusted``: the client is one of ours. ``spf``, ``dkim`` and
    ``dmarc`` are RFC 8601's words, "" where it was not looked at; ``score`` None: nothing has scored it."""

    service: str = ""
    client_address: str = ""
    client_host: str = ""
    helo: str = ""
    account: str = ""
    trusted: bool = False
    spf: str = ""
    dkim: str = ""
    dmarc: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A whole message with all its destinations. ``content`` has the trace headers in front (Return-Path not included:
    the store adds none; see docs/adr) and lines end in CRLF. ``summary`` is of ``content``. ``origin`` is for what is held.
    """

    trace_id: str
    received_at: float
    sender: Sender
    content: bytes
    summary: Summary
    destinations: tuple[Destination, ...]
    origin: Origin = Origin()
