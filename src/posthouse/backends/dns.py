"""The resolver of a process: answers kept for the records' TTL, bounded in time, number and memory (interfaces/resolver.py).

One question that several sessions ask at once goes out once. Answers that are at hand are given without a task. What no server
could answer is not asked again for some seconds (RFC 9520), and when all servers are dead every question fails at once for a
while instead of holding up every session for the whole budget. Names that strangers keep dead must not look like dead servers:
after some silences the servers are asked for the root, which every living one answers at once. How names and servers are asked
stands in ``dns_client.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from posthouse.backends.dns_client import DnsClient, Server, Silent
from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx
from posthouse.model.tls_policy import Tlsa
from posthouse.protocols.dns.messages import NS, Answer, Question, Value
from posthouse.protocols.dns.names import BadName

CACHE_ENTRIES = 20_000
CACHE_BYTES = 16 << 20
BUDGET_S = 8.0
TRY_S = 0.8
MAX_RUNNING = 2000
MAX_RUNNING_OF_ZONE = 128
"""Questions under way below one registered name: a dead zone must not use up what all others need."""
MAX_KEPT_S = 3600.0
FAILURE_KEPT_S = 5.0
NAMELESS_KEPT_S = 5.0
"""That an address has no name, if the answer allows no time for it: not each connection of a client asks again."""
SILENCES = 5
SILENCE_S = 5.0
PROBE_S = 1.0
ROOT = Question(b"\0", NS)
RESOLV_CONF = Path("/etc/resolv.conf")

Key = tuple[str, str]


class DnsResolver:
    """``nameservers`` as ``address`` or ``address:port``; none means the system's (``/etc/resolv.conf``)."""

    def __init__(self, nameservers: Sequence[str] = (), *, budget_s: float = BUDGET_S) -> None:
        self._nameservers = tuple(nameservers)
        self._budget_s = budget_s
        self._client: DnsClient | None = None
        self._running: dict[Key, asyncio.Task[Answer]] = {}
        self._of_zone: Counter[str] = Counter()
        self._kept: dict[Key, tuple[float, Answer | None]] = {}
        self._kept_bytes = 0
        self._silences = 0
        self._probing = False
        self._dead = False
        self._silent_until = 0.0

    def use(self, nameservers: Sequence[str]) -> None:
        """Asks these from now on, and forgets what others said; questions under way are left to those they went to."""
        self._nameservers = tuple(nameservers)
        self._client = None
        self.forget()
        self._running = {}
        self._of_zone = Counter()
        self._silences = 0
        self._dead = False

    @property
    def servers(self) -> Sequence[str]:
        """Those that are asked now."""
        return self._nameservers or system_servers()

    def forget(self) -> None:
        """All that was kept: who asks next hears what is true now."""
        self._kept.clear()
        self._kept_bytes = 0

    async def mx(self, domain: str) -> Sequence[Mx]:
        found = [
            Mx(preference, host or ".") for preference, host in cast("list[tuple[int, str]]", await self._ask(domain, "MX"))
        ]
        return sorted(found, key=lambda entry: (entry.preference, entry.host))

    async def addresses(self, host: str) -> Sequence[str]:
        six, four = await asyncio.gather(self.aaaa(host), self.a(host))
        return [*six, *four]

    async def a(self, host: str) -> Sequence[str]:
        return cast("list[str]", await self._ask(host, "A"))

    async def aaaa(self, host: str) -> Sequence[str]:
        return cast("list[str]", await self._ask(host, "AAAA"))

    async def txt(self, name: str) -> Sequence[str]:
        return [octets.decode("utf-8", "replace") for octets in cast("list[bytes]", await self._ask(name, "TXT"))]

    async def cname(self, name: str) -> str:
        return next(iter(cast("list[str]", await self._ask(name, "CNAME"))), "")

    async def ptr(self, address: str) -> Sequence[str]:
        name = _reverse_name(address)
        return cast("list[str]", await self._ask(name, "PTR")) if name else []

    async def tlsa(self, name: str) -> Sequence[Tlsa]:
        return [Tlsa(*fields) for fields in cast("list[tuple[int, int, int, bytes]]", await self._ask(name, "TLSA"))]

    async def authentic(self, name: str, kind: str) -> bool:
        """A name that does not exist counts as not validated: who asks goes on without its records."""
        answer = await self._answer(name, kind)
        return answer is not None and answer.exists and answer.authentic

    async def exists(self, domain: str) -> bool:
        answer = await self._answer(domain, "SOA")
        return answer is not None and answer.exists

    async def _ask(self, name: str, kind: str) -> list[Value]:
        answer = await self._answer(name, kind)
        return list(answer.values) if answer is not None else []

    async def _answer(self, name: str, kind: str) -> Answer | None:
        """None if there can be no such name. Raises Temporary."""
        key = (name.lower(), kind)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > time.monotonic():
            if kept[1] is None:
                raise Temporary("DNS lookup failed", enhanced="4.4.3", cause=f"{name} {kind}: no answer a moment ago")
            return kept[1]
        task = self._running.get(key)
        if task is None:
            if not name.strip("."):
                return None  # the root is nobody's mail domain
            try:
                question = Question.of(name, kind)
            except BadName:
                return None
            task = self._begin(key, question)
        return await asyncio.shield(task)

    def _begin(self, key: Key, question: Question) -> asyncio.Task[Answer]:
        """Raises Temporary when there is no room, or no point in asking."""
        self._refuse_while_silent()
        zone = _zone_of(key[0])
        if len(self._running) >= MAX_RUNNING or self._of_zone[zone] >= MAX_RUNNING_OF_ZONE:
            raise Temporary("Too many DNS questions at once", enhanced="4.4.3", cause="resolver overloaded")
        task = asyncio.create_task(self._resolve(key, question))
        self._running[key] = task
        self._of_zone[zone] += 1
        task.add_done_callback(partial(self._answered, key, zone))
        return task

    def _answered(self, key: Key, zone: str, task: asyncio.Task[Answer]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
            self._of_zone[zone] -= 1
            if self._of_zone[zone] <= 0:
                del self._of_zone[zone]
        if not task.cancelled():
            task.exception()  # whoever asked may have gone

    async def _resolve(self, key: Key, question: Question) -> Answer:
        client = self._asked()
        try:
            answer = await client.ask(question, self._budget_s)
        except Temporary as error:
            if isinstance(error, Silent):
                await self._note_silence(client)
            self._keep(client, key, None, FAILURE_KEPT_S)
            raise Temporary(error.public, enhanced=error.enhanced, cause=f"{key[0]} {key[1]}: {error.cause}") from error
        if client is self._client:
            self._silences, self._dead = 0, False
        nameless = key[1] == "PTR" and not answer.values
        self._keep(client, key, answer, answer.ttl_s or (NAMELESS_KEPT_S if nameless else 0))
        return answer

    async def _note_silence(self, client: DnsClient) -> None:
        """One more question in a row that no server answered; are they dead, or only what was asked for?"""
        self._silences += 1
        if self._silences < SILENCES or self._probing or client is not self._client:
            return
        self._probing = True
        try:
            await client.ask(ROOT, min(PROBE_S, self._budget_s))
            dead = False
        except Temporary as error:
            dead = isinstance(error, Silent)
        finally:
            self._probing = False
        if client is self._client:
            self._silences, self._dead = 0, dead
            self._silent_until = time.monotonic() + SILENCE_S

    def _refuse_while_silent(self) -> None:
        """Raises Temporary when all servers are dead; lets a single question out now and then to try them."""
        if not self._dead:
            return
        now = time.monotonic()
        if now < self._silent_until:
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause="no name server has answered for some seconds")
        self._silent_until = now + self._budget_s + SILENCE_S

    def _keep(self, client: DnsClient, key: Key, answer: Answer | None, for_s: float) -> None:
        """Keeps an answer, or that there was none (None), if those that gave it are still asked. When there are too many, or
        they are too large, the oldest tenth goes."""
        if client is not self._client or for_s <= 0:
            return
        self._forget(key)
        if len(self._kept) >= CACHE_ENTRIES or self._kept_bytes >= CACHE_BYTES:
            for old in list(itertools.islice(self._kept, max(1, len(self._kept) // 10))):
                self._forget(old)
        self._kept[key] = (time.monotonic() + min(for_s, MAX_KEPT_S), answer)
        self._kept_bytes += _size(answer)

    def _forget(self, key: Key) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._kept_bytes -= _size(kept[1])

    def _asked(self) -> DnsClient:
        if self._client is None:
            self._client = DnsClient([Server.of(entry) for entry in self.servers], TRY_S)
        return self._client


def _zone_of(name: str) -> str:
    """About what one owner answers for: what was registered, or the block of addresses that was given out."""
    labels = name.rstrip(".").split(".")
    if labels[-1] == "arpa":
        return ".".join(labels[-10 if labels[-2:-1] == ["ip6"] else -4 :])
    return ".".join(labels[-3 if len(labels) > 2 and len(labels[-2]) <= 3 else -2 :])


def system_servers() -> list[str]:
    """The first three of the system's; this machine's own if it names none."""
    try:
        lines = RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    return [each[1] for each in words if len(each) > 1 and each[0] == "nameserver" and "%" not in each[1]][:3] or ["127.0.0.1"]


def _size(answer: Answer | None) -> int:
    """About what its values take."""
    return sum(len(value) for value in answer.values if isinstance(value, (str, bytes))) if answer is not None else 0


@lru_cache(4_096)
def _reverse_name(address: str) -> str:
    """Where an address's PTR records are; "" if it is none."""
    try:
        return ip_address(address).reverse_pointer
    except ValueError:
        return ""
