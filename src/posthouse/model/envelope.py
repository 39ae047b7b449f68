"""The envelope: sender, recipients with their DSN parameters, declarations of size and body (RFC 5321, 3461, 6152, 6531)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from posthouse.model.address import Address

Body = Literal["7BIT", "8BITMIME", "BINARYMIME"]
Notify = Literal["NEVER", "SUCCESS", "FAILURE", "DELAY"]


@dataclass(frozen=True, slots=True)
class Sender:
    """MAIL FROM. ``address`` is None for the null reverse path. ``size_bytes`` is what was declared, 0 if nothing.

    ``ret`` is "FULL", "HDRS" or ""; ``envid`` is decoded from xtext (RFC 3461).
    """

    address: Address | None
    size_bytes: int = 0
    body: Body = "7BIT"
    smtputf8: bool = False
    require_tls: bool = False
    ret: Literal["", "FULL", "HDRS"] = ""
    envid: str = ""
    auth: str = ""

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
