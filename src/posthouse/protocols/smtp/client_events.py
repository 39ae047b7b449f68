"""What the SMTP client core tells its driver: how each thing that was started has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.protocols.smtp.replies import ServerReply
from posthouse.protocols.smtp.transaction import TransactionResult


@dataclass(frozen=True, slots=True)
class Ready:
    """Greeted, or greeted anew after TLS. ``extensions``: keyword in upper case to its parameters, empty after HELO."""

    reply: ServerReply
    extensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said no to ``stage``: ``greeting``, ``hello``, ``starttls`` or ``auth``. After the first two ``closed`` is
    true; after ``starttls`` and ``auth`` the connection is as ready as before."""

    stage: str
    reply: ServerReply


@dataclass(frozen=True, slots=True)
class TlsReady:
    """The server waits for the handshake; then call ``tls_started``."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    reply: ServerReply


@dataclass(frozen=True, slots=True)
class TransactionDone:
    result: TransactionResult


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over: after QUIT, or the server said 421 out of turn. ``reply`` is its last word."""

    reply: ServerReply


Event = Ready | Refused | TlsReady | Authenticated | TransactionDone | Closed
