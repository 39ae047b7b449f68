"""DNS by dnspython: asynchronous, cached for the records' TTL, bounded in time and number (interfaces/resolver.py).

One question that several sessions ask at once goes out once. Names from strangers are checked before they are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.inet
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx

CACHE_ENTRIES = 20_000
BUDGET_S = 10.0
TRY_S = 3.0
MAX_RUNNING = 256
DNS_PORT = 53


class DnsResolver:
    """``nameservers`` as ``address`` or ``address:port``; none means the system's (``/etc/resolv.conf``)."""

    def __init__(self, nameservers: Sequence[str] = (), *, budget_s: float = BUDGET_S) -> None:
        self._nameservers = tuple(nameservers)
        self._budget_s = budget_s
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._running: dict[tuple[str, str], asyncio.Task[dns.resolver.Answer | None]] = {}

    async def mx(self, domain: str) -> Sequence[Mx]:
        records = [cast(MX, record) for record in await self._ask(domain, "MX")]
        found = [Mx(record.preference, _text(record.exchange) or ".") for record in records]
        return sorted(found, key=lambda entry: (entry.preference, entry.host))

    async def addresses(self, host: str) -> Sequence[str]:
        six, four = await asyncio.gather(self._ask(host, "AAAA"), self._ask(host, "A"))
        return [cast(A | AAAA, record).address for record in (*six, *four)]

    async def txt(self, name: str) -> Sequence[str]:
        records = [cast(TXT, record) for record in await self._ask(name, "TXT")]
        return [b"".join(record.strings).decode("utf-8", "replace") for record in records]

    async def ptr(self, address: str) -> Sequence[str]:
        try:
            name = dns.reversename.from_address(address).to_text()
        except (ValueError, dns.exception.DNSException):
            return []
        return [_text(cast(PTR, record).target) for record in await self._ask(name, "PTR")]

    async def exists(self, domain: str) -> bool:
        return await self._answer(domain, "SOA") is not None

    async def _ask(self, name: str, kind: str) -> list[dns.rdata.Rdata]:
        answer = await self._answer(name, kind)
        return list(answer) if answer is not None and answer.rrset is not None else []

    async def _answer(self, name: str, kind: str) -> dns.resolver.Answer | None:
        """The answer, with or without records; None if the name does not exist. Raises Temporary."""
        if not name.strip("."):
            return None  # the root is nobody's mail domain
        key = (name.lower(), kind)
        task = self._running.get(key)
        if task is None:
            if len(self._running) >= MAX_RUNNING:
                raise Temporary("Too many DNS questions at once", enhanced="4.4.3", cause="resolver overloaded")
            task = asyncio.create_task(self._resolve(name, kind))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _resolve(self, name: str, kind: str) -> dns.resolver.Answer | None:
        try:
            return await self._engine().resolve(name, kind, raise_on_no_answer=False, lifetime=self._budget_s, search=False)
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, UnicodeError):
            return None
        except (dns.exception.DNSException, OSError) as error:
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause=f"{name} {kind}: {error}") from error

    def _engine(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = [_nameserver(entry) for entry in self._nameservers]
            resolver.cache = dns.resolver.LRUCache(CACHE_ENTRIES)
            resolver.timeout = TRY_S
            self._resolver = resolver
        return self._resolver


def _nameserver(entry: str) -> dns.nameserver.Do53Nameserver:
    """Raises ValueError for what is no ``address[:port]``."""
    if dns.inet.is_address(entry):
        return dns.nameserver.Do53Nameserver(entry, DNS_PORT)
    host, _, port = entry.rpartition(":")
    host = host.strip("[]")
    if not dns.inet.is_address(host):
        raise ValueError(f"a name server is address or address:port, not {entry!r}")
    return dns.nameserver.Do53Nameserver(host, int(port))


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
