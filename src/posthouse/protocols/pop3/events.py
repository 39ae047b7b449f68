"""What the POP3 core tells its driver. Every event wants one answer before the next one is given out.

Commands that the core can answer by itself, from the maildrop it was given at login, come as ``Handled``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    """USER and PASS. Answer with ``opened`` or ``refuse``."""

    login: str
    password: str

    def __repr__(self) -> str:
        return f"Login(login={self.login!r}, password=...)"


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH with a mechanism (upper case) that is on offer. ``initial`` is the decoded initial response, None if absent.
    Answer with ``challenge``, ``opened`` or ``refuse``."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthLine:
    """The decoded answer to a challenge. Answer as to ``Auth``."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """STLS. After ``accept()`` is sent, do the handshake, then call ``tls_started``."""


@dataclass(frozen=True, slots=True)
class Retrieve:
    """RETR and TOP. ``index`` counts from 0 into the maildrop. ``lines`` is None for RETR. Answer with ``message``."""

    index: int
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT. ``deleted`` are indexes into the maildrop whose messages must go now (RFC 1939 §6); ``accept`` or, when they
    could not be removed, ``refuse``. ``closed`` is true after either."""

    deleted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Handled:
    """A command that the core answers: ``accept()``."""

    verb: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class ProtocolError:
    """Something that the core refuses: ``accept()`` sends ``answer``. ``closes``: the connection ends with it."""

    answer: bytes
    closes: bool = False


Event = Login | Auth | AuthLine | StartTls | Retrieve | Quit | Handled | ProtocolError
