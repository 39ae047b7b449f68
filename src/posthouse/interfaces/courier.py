"""Handing a message to one host (OUT-6). The queue decides to which host and when; the courier connects, talks, reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from posthouse.base.errors import Temporary
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.route import Login, TlsChoice
from posthouse.model.route import Protocol as HopProtocol
from posthouse.model.tls_policy import NO_POLICY, TlsPolicy


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one host. ``tls`` is never "" here; ``policy`` is the proof that the host owes beyond it;
    ``login`` is ours there. Connections to equal targets may be used again."""

    host: str
    address: str
    port: int
    protocol: HopProtocol = "smtp"
    tls: TlsChoice = "opportunistic"
    policy: TlsPolicy = NO_POLICY
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes in one mail transaction. ``content`` has CRLF line ends and no Return-Path of ours."""

    sender: Sender
    recipients: tuple[Recipient, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the host said about one recipient. ``code`` 2xx: it took the message; 4xx: try again; 5xx: never.

    ``text`` is one line, code and enhanced code first. ``notifies`` tells whether the host takes over DSN duties
    (RFC 3461 §5.2): then a success notice is its business; ``by``, whether it takes over the time that the sender gave
    (RFC 2852). ``final``: what it takes is in a mailbox (LMTP, RFC 2033), not passed on. ``silent``: no host said it, for
    none could be connected to, whatever the message. ``pushes_back``: nor was it said of the message, but each host that could
    be connected to turned us away.
    """

    code: int
    text: str
    notifies: bool = False
    final: bool = False
    by: bool = False
    silent: bool = False
    pushes_back: bool = False


class Unreachable(Temporary):
    """No connection, no greeting, no TLS where it is required, or an end before the message went out: another host of the
    destination may do. ``never``: the host says that it takes no mail at all (RFC 7504). ``lacking``: it has not the TLS that
    was demanded: 5.7.10, or no REQUIRETLS: 5.7.30 (RFC 8689 §4.2.1). ``silent``: there was no connection. ``pushes_back``: the
    host turned us away, whatever the message: by its greeting, at a login, or by 421."""

    def __init__(
        self,
        cause: str,
        *,
        never: bool = False,
        lacking: Literal["", "5.7.10", "5.7.30"] = "",
        silent: bool = False,
        pushes_back: bool = False,
    ) -> None:
        super().__init__("The other host cannot be reached", code=450, enhanced="4.4.1", cause=cause)
        self.never = never
        self.lacking = lacking
        self.silent = silent
        self.pushes_back = pushes_back


class Courier(Protocol):
    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        """One answer for each recipient, in order. When the connection breaks after the message went out and before the
        host answered, the answers are 4xx: it may come twice, never not at all. Raises Unreachable."""
        ...

    async def probe(self, target: Target, recipient: Recipient) -> Answer:
        """Whether the host would take mail for the recipient from the null sender; no message is sent. Raises Unreachable."""
        ...

    async def close(self) -> None:
        """Ends idle connections."""
        ...
