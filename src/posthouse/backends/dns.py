"""DNS by dnspython: asynchronous, cached for the records' TTL, bounded in time and number (interfaces/resolver.py).

One question that several sessions ask at once goes out once. Names from strangers are checked before they are asked for.
Answers that are at hand are given without a task; when all servers are silent, questions fail at once for some seconds
instead of holding up every session for the whole budget.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from functools import partial
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx
from posthouse.model.tls_policy import Tlsa

CACHE_ENTRIES = 20_000
BUDGET_S = 10.0
TRY_S = 3.0
MAX_RUNNING = 256
MAX_KEPT_S = 3600.0
SILENCES = 5
SILENCE_S = 5.0
DNS_PORT = 53

_NO_SUCH_NAME = (
    dns.resolver.NXDOMAIN,
    dns.name.LabelTooLong,
    dns.name.NameTooLong,
    dns.name.EmptyLabel,
    dns.name.BadEscape,
    UnicodeError,
)


class DnsResolver:
    """``nameservers`` as ``address`` or ``address:port``; none means the system's (``/etc/resolv.conf``)."""

    def __init__(self, nameservers: Sequence[str] = (), *, budget_s: float = BUDGET_S) -> None:
        self._nameservers = tuple(nameservers)
        self._budget_s = budget_s
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._running: dict[tuple[str, str], asyncio.Task[dns.resolver.Answer | None]] = {}
        self._kept: dict[tuple[str, str], tuple[float, dns.resolver.Answer | None]] = {}
        self._silences = 0
        self._silent_until = 0.0

    def use(self, nameservers: Sequence[str]) -> None:
        """Asks these from now on, and forgets what others said; questions under way are left to those they went to."""
        self._nameservers = tuple(nameservers)
        self._resolver = None
        self._kept.clear()
        self._running = {}
        self._silences = 0

    async def mx(self, domain: str) -> Sequence[Mx]:
        records = [cast(MX, record) for record in await self._ask(domain, "MX")]
        found = [Mx(record.preference, _text(record.exchange) or ".") for record in records]
        return sorted(found, key=lambda entry: (entry.preference, entry.host))

    async def addresses(self, host: str) -> Sequence[str]:
        six, four = await asyncio.gather(self._ask(host, "AAAA"), self._ask(host, "A"))
        return [cast(A | AAAA, record).address for record in (*six, *four)]

    async def a(self, host: str) -> Sequence[str]:
        return [cast(A, record).address for record in await self._ask(host, "A")]

    async def aaaa(self, host: str) -> Sequence[str]:
        return [cast(AAAA, record).address for record in await self._ask(host, "AAAA")]

    async def txt(self, name: str) -> Sequence[str]:
        records = [cast(TXT, record) for record in await self._ask(name, "TXT")]
        return [b"".join(record.strings).decode("utf-8", "replace") for record in records]

    async def ptr(self, address: str) -> Sequence[str]:
        try:
            name = dns.reversename.from_address(address).to_text()
        except (ValueError, dns.exception.DNSException):
            return []
        return [_text(cast(PTR, record).target) for record in await self._ask(name, "PTR")]

    async def tlsa(self, name: str) -> Sequence[Tlsa]:
        records = [cast(TLSA, record) for record in await self._ask(name, "TLSA")]
        return [Tlsa(record.usage, record.selector, record.mtype, record.cert) for record in records]

    async def authentic(self, name: str, kind: str) -> bool:
        """A name that does not exist counts as not validated: who asks goes on without its records."""
        answer = await self._answer(name, kind)
        return answer is not None and bool(answer.response.flags & dns.flags.AD)

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
        kept = self._kept.get(key)
        if kept is not None and kept[0] > time.time():
            return kept[1]
        task = self._running.get(key)
        if task is None:
            self._refuse_while_silent()
            if len(self._running) >= MAX_RUNNING:
                raise Temporary("Too many DNS questions at once", enhanced="4.4.3", cause="resolver overloaded")
            task = asyncio.create_task(self._resolve(name, kind))
            self._running[key] = task
            task.add_done_callback(partial(self._answered, key))
        return await asyncio.shield(task)

    def _answered(self, key: tuple[str, str], task: asyncio.Task[dns.resolver.Answer | None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]

    async def _resolve(self, name: str, kind: str) -> dns.resolver.Answer | None:
        engine = self._engine()
        try:
            answer = await engine.resolve(name, kind, raise_on_no_answer=False, lifetime=self._budget_s, search=False)
        except _NO_SUCH_NAME as error:
            self._keep(engine, (name, kind), None, _absent_until(error))
            return None
        except (dns.exception.DNSException, OSError) as error:
            if isinstance(error, (dns.exception.Timeout, OSError)):
                self._note_silence()
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause=f"{name} {kind}: {error}") from error
        self._keep(engine, (name, kind), answer, answer.expiration)
        return answer

    def _note_silence(self) -> None:
        """One more question in a row that no server answered."""
        self._silences += 1
        self._silent_until = time.monotonic() + SILENCE_S

    def _refuse_while_silent(self) -> None:
        """Raises Temporary when all servers have been silent; lets a single question out now and then to try them."""
        if self._silences < SILENCES:
            return
        now = time.monotonic()
        if now < self._silent_until:
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause="no name server has answered for some seconds")
        self._silent_until = now + self._budget_s + SILENCE_S

    def _keep(self, engine: object, question: tuple[str, str], answer: dns.resolver.Answer | None, until: float) -> None:
        """Keeps an answer until then, if those that gave it are still asked; when there are too many, the oldest tenth goes."""
        if engine is not self._resolver:
            return
        self._silences = 0
        if len(self._kept) >= CACHE_ENTRIES:
            for key in list(itertools.islice(self._kept, CACHE_ENTRIES // 10)):
                del self._kept[key]
        name, kind = question
        self._kept[(name.lower(), kind)] = (min(until, time.time() + MAX_KEPT_S), answer)

    def _engine(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = [_nameserver(entry) for entry in self._nameservers]
            resolver.timeout = TRY_S
            resolver.flags = dns.flags.RD | dns.flags.AD  # a validating server then says what it has validated (RFC 6840 §5.7)
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


def _absent_until(error: BaseException) -> float:
    """Until when a name does not exist: by the SOA record of the answer (RFC 2308 §5); at once for what cannot be a name."""
    if not isinstance(error, dns.resolver.NXDOMAIN):
        return 0.0
    times = [
        min(rrset.ttl, cast(SOA, rrset[0]).minimum)
        for response in cast("dict[object, dns.message.QueryMessage]", error.kwargs["responses"]).values()
        for rrset in response.authority
        if rrset.rdtype == dns.rdatatype.SOA
    ]
    return time.time() + min(times) if times else 0.0


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
