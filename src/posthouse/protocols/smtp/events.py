"""What the SMTP server core tells its driver: one event for each thing that a client does.

Every event wants exactly one answer (``accept``, ``reply``, ``reply_each`` or ``challenge`` of ``ServerCore``) before the
next one is given out. Syntax and order have been checked when an event appears; policy has not.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from posthouse.model.envelope import Recipient, Sender
from posthouse.model.verdict import Reply


class Helo(Struct, frozen=True):
    """HELO, EHLO or LHLO. ``name`` is what the client calls itself: printable ASCII without spaces, at most 255 octets.

    Accepting it composes the list of extensions and drops an open transaction (RFC 5321 §4.1.4).
    """

    name: str
    esmtp: bool


class MailFrom(Struct, frozen=True):
    """MAIL: a transaction wants to begin."""

    sender: Sender


class RcptTo(Struct, frozen=True):
    """RCPT. ``<postmaster>`` without a domain comes as an address whose ``domain`` is empty (RFC 5321 §4.1.1.3)."""

    recipient: Recipient


class DataStart(Struct, frozen=True):
    """The client wants to send the message. The time for a refusal for want of memory, before anything is held.

    ``chunking``: by BDAT. Then the octets are on their way already: accepting gives no reply (``b""``), and a refusal is
    kept back until the chunk has been swallowed (RFC 3030 §2); it comes as ``MessageRefused``.
    """

    chunking: bool = False


@dataclass(frozen=True, slots=True)
class Burl:
    """BURL: what ``url`` names is the next piece of the message, or the ``last``. Answered by ``resolved``, or refused, which
    ends the transaction."""

    url: str
    last: bool


@dataclass(frozen=True, slots=True)
class ChunkReceived:
    """A BDAT chunk that is not the last one is in."""

    size_bytes: int


class MessageComplete(Struct, frozen=True):
    """The whole message, dots unstuffed. The answer to it ends the transaction; LMTP wants one reply for each recipient.

    ``problems`` are facts worth a trace line: ``bare newlines normalised``, ``NUL octets``.
    """

    content: bytes
    problems: tuple[str, ...] = ()


class MessageRefused(Struct, frozen=True):
    """A message (or chunk) that the core will not hand over: too large, bare CR or LF, a line without end, or refused by
    ``refuse_data``. ``accept()`` sends ``reply``. The transaction is over with it, whether or not the chunk was the ``last``.
    ``closes``: the connection ends too. ``size_bytes`` as received."""

    reply: Reply
    size_bytes: int
    closes: bool = False
    last: bool = True


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS. After ``accept()`` is sent, do the handshake, then call ``tls_started``."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH with a mechanism (upper case) that is on offer. ``initial`` is the decoded initial response, None if absent."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthLine:
    """The decoded answer to a challenge."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Vrfy:
    """VRFY; ``accept()`` gives the usual non-committal 252 (RFC 5321 §3.5.3)."""

    argument: str


@dataclass(frozen=True, slots=True)
class Expn:
    """EXPN; ``accept()`` refuses it with 502."""

    argument: str


@dataclass(frozen=True, slots=True)
class Help:
    argument: str


@dataclass(frozen=True, slots=True)
class Noop:
    pass


@dataclass(frozen=True, slots=True)
class Rset:
    """The transaction is dropped when this is answered."""


class Quit(Struct, frozen=True):
    """``closed`` is true once this is answered."""


class ProtocolError(Struct, frozen=True):
    """Something that the core refuses by itself; ``accept()`` sends ``reply``.

    ``counts``: it was added to ``ServerCore.errors``. ``closes``: the connection ends with it. ``line`` is the beginning
    of what the client sent, for the log; it is "" where it could hold a secret.
    """

    reply: Reply
    counts: bool = True
    closes: bool = False
    line: str = ""


Event = (
    Helo
    | MailFrom
    | RcptTo
    | DataStart
    | Burl
    | ChunkReceived
    | MessageComplete
    | MessageRefused
    | StartTls
    | Auth
    | AuthLine
    | Vrfy
    | Expn
    | Help
    | Noop
    | Rset
    | Quit
    | ProtocolError
)
