"""Where mail for a domain or one address is taken to (RTE-1): host, port, SMTP or LMTP, TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, cast
from urllib.parse import unquote

Protocol = Literal["smtp", "lmtp"]
TlsChoice = Literal["", "opportunistic", "required", "off"]

_HOP = re.compile(
    r"(?:(?P<protocol>smtp|lmtp)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:/(?P<tls>opportunistic|required|off))?"
)
_LOGIN = re.compile(r"smtp://(?P<user>[^\s:/@]+):(?P<password>[^\s/@]+)@(?P<hop>.*)")


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are at a host that asks for it."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NextHop:
    """One host. ``port`` 0 means the protocol's own; ``tls`` "" means as the queue's setting says. ``login`` is the smart
    host's alone; ``str`` does not show it."""

    host: str
    port: int = 0
    protocol: Protocol = "smtp"
    tls: TlsChoice = ""
    login: Login | None = None

    def __str__(self) -> str:
        scheme = "lmtp://" if self.protocol == "lmtp" else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return scheme + host + (f":{self.port}" if self.port else "") + (f"/{self.tls}" if self.tls else "")

    @classmethod
    def parse(cls, text: str) -> NextHop:
        """``host``, ``host:port``, ``lmtp://host:port``, each with ``/required`` or the like. Raises ValueError."""
        match = _HOP.fullmatch(text.strip())
        if not match or int(match["port"] or 0) > 65535:
            raise ValueError("a next hop has the form [smtp://|lmtp://]host[:port][/opportunistic|/required|/off]")
        return cls(
            match["host"].strip("[]").lower(),
            int(match["port"] or 0),
            cast(Protocol, match["protocol"] or "smtp"),
            cast(TlsChoice, match["tls"] or ""),
        )

    @classmethod
    def parse_with_login(cls, text: str) -> NextHop:
        """As ``parse``, and ``smtp://user:password@host:port``, where ``%40`` and the like stand for what URLs cannot hold.
        Raises ValueError, without the password."""
        match = _LOGIN.fullmatch(text.strip())
        if match is None:
            return cls.parse(text)
        login = Login(unquote(match["user"]), unquote(match["password"]))
        if "\0" in login.user + login.password:
            raise ValueError("a login has no NUL")
        return replace(cls.parse(match["hop"]), login=login)


@dataclass(frozen=True, slots=True)
class Route:
    """``target`` is a domain, or a whole address for a single user. Mail for a routed domain is accepted from anyone."""

    target: str
    next_hop: NextHop
