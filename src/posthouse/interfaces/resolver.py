"""DNS. Answers are cached for their TTL, bounded; every call has the resolver's own time budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.model.tls_policy import Tlsa


@dataclass(frozen=True, slots=True)
class Mx:
    preference: int
    host: str


class Resolver(Protocol):
    """An empty answer means that the name or the record type does not exist; ``exists`` tells these apart.
    Raises Temporary when there is no answer (time-out, SERVFAIL)."""

    async def mx(self, domain: str) -> Sequence[Mx]:
        """By preference. A null MX (RFC 7505) gives one entry with the host "." """
        ...

    async def addresses(self, host: str) -> Sequence[str]:
        """AAAA and A records as text."""
        ...

    async def a(self, host: str) -> Sequence[str]:
        """A records as text; no AAAA record is asked for."""
        ...

    async def aaaa(self, host: str) -> Sequence[str]:
        """AAAA records as text; no A record is asked for."""
        ...

    async def txt(self, name: str) -> Sequence[str]: ...

    async def cname(self, name: str) -> str:
        """The name that this one is an alias of; "" if it is none."""
        ...

    async def ptr(self, address: str) -> Sequence[str]:
        """Host names of an IP address, without final dots."""
        ...

    async def tlsa(self, name: str) -> Sequence[Tlsa]:
        """The TLSA records of a name such as ``_25._tcp.mx.example.com``."""
        ...

    async def authentic(self, name: str, kind: str) -> bool:
        """Whether the answer to this question was validated by DNSSEC (the AD bit; the name server is trusted for it).
        ``kind`` is the record's type, such as MX. False also for what does not exist, unless that was validated."""
        ...

    async def exists(self, domain: str) -> bool:
        """False only on NXDOMAIN."""
        ...
