"""The envelope: sender, recipients with their DSN parameters, declarations of size and body (RFC 5321, 3461, 6152, 6531), and
what a sender wishes about time and priority (RFC 2852, 4865, 6710)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from posthouse.model.address import Address

Body = Literal["7BIT", "8BITMIME", "BINARYMIME"]
Notify = Literal["NEVER", "SUCCESS", "FAILURE", "DELAY"]


@dataclass(frozen=True, slots=True)
class DeliverBy:
    """BY (RFC 2852): ``by_s`` seconds from when the message was let go, below 1 when the time was over before it came. When
    they have passed it comes back (``returns``, mode R), or the sender is told of the delay (mode N). ``trace``: each
    relaying is told, too."""

    by_s: int
    returns: bool
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """MAIL FROM. ``address`` is None for the null reverse path. ``size_bytes`` is what was declared, 0 if nothing.

    ``ret`` is "FULL", "HDRS" or ""; ``envid`` is decoded from xtext (RFC 3461). ``hold_until`` is when the message may leave
    at the earliest, in seconds since 1970, ``hold_for_s`` the same in seconds from now, as it stands until somebody knows
    what now is (RFC 4865); 0: at once. ``priority`` is from -9 to 9 (RFC 6710). ``doubtful``: the address is not
    believed, so that nobody is told anything under it.
    """

    address: Address | None
    size_bytes: int = 0
    body: Body = "7BIT"
    smtputf8: bool = False
    require_tls: bool = False
    ret: Literal["", "FULL", "HDRS"] = ""
    envid: str = ""
    auth: str = ""
    hold_until: float = 0.0
    hold_for_s: int = 0
    by: DeliverBy | None = None
    priority: int = 0
    doubtful: bool = False

    def __str__(self) -> str:
        return str(self.address) if self.address else ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT TO. ``notify`` empty means that nothing was asked; ``orcpt`` is ``type;address`` decoded from xtext, or "".
    ``verified_tls``: a filter lets it leave over verified TLS only."""

    address: Address
    notify: frozenset[Notify] = frozenset()
    orcpt: str = ""
    verified_tls: bool = False

    def __str__(self) -> str:
        return str(self.address)


@dataclass(slots=True)
class Envelope:
    """One mail transaction's envelope, as it grows."""

    sender: Sender
    recipients: list[Recipient] = field(default_factory=list)
