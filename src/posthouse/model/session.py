"""What is known of the peer of one connection. The server fills it in as facts arrive; stages only read it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from posthouse.model.block_list import ListHit
from posthouse.model.networks import is_loopback

Found = TypeVar("Found", covariant=True)
Service = Literal[
    "smtp", "lmtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "dnsbl", "http", "https",
    "admin", "admins",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """``version`` such as ``TLSv1.3``, ``cipher``, and the ``server_name`` that the client asked for ("" if none).
    ``bindings``: what a login may be bound to on this connection, by type; secret, and empty if nothing is fit for that."""

    version: str
    cipher: str
    server_name: str = ""
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)


HostState = Literal["", "verified", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class HostName:
    """What reverse DNS says of an address (NET-2): ``verified``, PTR and A/AAAA agree on ``name``; ``failed``, they do not or
    there is none; ``unknown``, DNS did not answer. ``why`` are words for the administrator."""

    state: HostState
    name: str = ""
    why: str = ""


class Lookup(Protocol[Found]):
    """A question that is under way since the connection came; awaiting it gives what was found. (A task.)"""

    def __await__(self) -> Generator[Any, None, Found]: ...

    def done(self) -> bool: ...

    def cancel(self) -> object: ...


@dataclass(slots=True)
class Session:
    """One connection. ``client_address`` is the true one, after PROXY protocol (DEP-6).

    ``host`` is the verified name of the client's address ("" if there is none), ``host_state`` what became of the look-up ("":
    not known yet, or not asked), ``host_why`` words about it; ``listed`` are the DNS block lists that name the client (NET-5),
    once they have been asked. Both are looked up from the first moment on by ``host_lookup`` and ``lists_lookup``.
    ``dns_waited_s`` is how long the current message has waited for DNS. ``account`` is the address of the authenticated
    account, "" before authentication.
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
    host_state: HostState = ""
    host_why: str = ""
    listed: tuple[ListHit, ...] = ()
    host_lookup: Lookup[HostName] | None = None
    lists_lookup: Lookup[tuple[ListHit, ...]] | None = None
    dns_waited_s: float = 0.0

    @property
    def is_loopback(self) -> bool:
        """Whether the peer is on this machine; clear-text logins are allowed from there (TLS-1)."""
        return is_loopback(self.client_address)

    @property
    def is_stranger(self) -> bool:
        """Whether this is another server's client on port 25: not one of ours, who has logged in, may relay, or is on this
        machine."""
        return self.service == "smtp" and not self.account and not self.relay and not is_loopback(self.client_address)

    @property
    def protocol(self) -> str:
        """The word for ``with`` in a Received header (RFC 3848, RFC 5321 §4.4)."""
        if self.service == "lmtp":
            return "LMTP" + ("S" if self.tls else "") + ("A" if self.account else "")
        if not self.esmtp:
            return "SMTP"
        return "ESMTP" + ("S" if self.tls else "") + ("A" if self.account else "")
