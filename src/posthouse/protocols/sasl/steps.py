"""What a SASL server machine answers to each message of the client."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LOGIN = 320
MAX_PASSWORD = 1024
"""Octets; longer ones are refused before anything is hashed."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this; hand the client's answer to ``step``."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """The exchange is over; it holds if the password is right. ``authzid`` is whom to act as, "" for the login itself."""

    authzid: str
    login: str
    password: str

    def __repr__(self) -> str:
        return f"CheckPassword(authzid={self.authzid!r}, login={self.login!r}, password=...)"


@dataclass(frozen=True, slots=True)
class CheckToken:
    """Judge this token. ``login`` is whom the client wants to be, "" for whom the token names. If it is refused, send what
    ``BearerServer.refuse`` gives, and take one answer."""

    login: str
    token: str
    mechanism: str

    def __repr__(self) -> str:
        return f"CheckToken(login={self.login!r}, token=..., mechanism={self.mechanism!r})"


@dataclass(frozen=True, slots=True)
class NeedScram:
    """Look up this login's SCRAM secret (a made-up one for an unknown login) and call ``ScramServer.secret``."""

    login: str


@dataclass(frozen=True, slots=True)
class Done:
    """The exchange succeeded. ``data`` goes along with the success where the protocol can carry it; SCRAM has sent its last
    message as a challenge before, so it is empty."""

    authzid: str
    login: str
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange failed. ``text`` is for the log. ``login`` is "" while none is known; when it is not, a wrong proof was
    given for it, which counts as a failed login."""

    text: str
    login: str = ""


SaslStep = Challenge | CheckPassword | CheckToken | NeedScram | Done | Failed


def text_of(data: bytes, limit: int) -> str:
    """UTF-8 within bounds and without NUL. Raises ValueError."""
    if len(data) > limit or b"\0" in data:
        raise ValueError("too long, or NUL in it")
    return data.decode()
