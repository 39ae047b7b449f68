"""What is known of the peer of one connection. The server fills it in as facts arrive; stages only read it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

Service = Literal[
    "smtp", "lmtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "http", "https", "admin",
    "admins",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """``version`` such as ``TLSv1.3``, ``cipher``, and the ``server_name`` that the client asked for ("" if none)."""

    version: str
    cipher: str
    server_name: str = ""


@dataclass(slots=True)
class Session:
    """One connection. ``client_address`` is the true one, after PROXY protocol (DEP-6).

    ``account`` is the address of the authenticated account, "" before authentication.
    ``counted`` is the counter that holds this connection open, "" if none (NET-1).
    ``relay`` says why this peer may relay: "" (it may not), ``account``, ``network`` or ``domain`` (NET-4).
    """

    service: Service
    client_address: str
    client_port: int
    server_address: str
    server_port: int
    connected_at: float
    session_id: str = ""
    helo: str = ""
    esmtp: bool = False
    host: str = ""
    tls: TlsFacts | None = None
    account: str = ""
    account_id: int = 0
    relay: str = ""
    counted: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether the peer is on this machine; clear-text logins are allowed from there (TLS-1)."""
        try:
            return ipaddress.ip_address(self.client_address).is_loopback
        except ValueError:
            return False

    @property
    def protocol(self) -> str:
        """The word for ``with`` in a Received header (RFC 3848, RFC 5321 §4.4)."""
        if self.service == "lmtp":
            return "LMTP" + ("S" if self.tls else "") + ("A" if self.account else "")
        if not self.esmtp:
            return "SMTP"
        return "ESMTP" + ("S" if self.tls else "") + ("A" if self.account else "")
