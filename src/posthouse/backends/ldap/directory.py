"""Outside directories over LDAP (interfaces/outside_directory.py): which is asked what, and what is kept of the answers.

The same question is under way once at a time. When the servers or their settings change, nothing that was kept counts any more.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

from posthouse.backends.ldap.pool import PUBLIC, Pool
from posthouse.base.clock import Clock
from posthouse.base.errors import Temporary
from posthouse.base.metrics import DIRECTORY_ANSWERS
from posthouse.formats import ldap_entries
from posthouse.interfaces.outside_directory import LdapServers, Tried
from posthouse.model.address import Address
from posthouse.model.outside import LdapServer, OutsideEntry, Purpose
from posthouse.model.settings import LdapSettings
from posthouse.protocols.ldap.filters import Filter
from posthouse.protocols.ldap.messages import Entry, Search

ANYTHING = Filter.parse("(objectClass=*)").encoded("", "")
MEMBERS_AT_ONCE = 16
RANGES = 1_000
"""Pieces in which a long list may come."""

Found = TypeVar("Found")
Key = tuple[int, str, str, str]


class LdapDirectory:
    """``OutsideDirectory`` and ``TriesServers``; one per process, on its loop. ``close`` at the end."""

    def __init__(self, servers: LdapServers, settings: Callable[[], LdapSettings], clock: Clock) -> None:
        self._book = servers
        self._settings = settings
        self._clock = clock
        self._known: Sequence[LdapServer] = ()
        self._generation = 0
        self._pools: dict[str, Pool] = {}
        self._filters: dict[str, Filter] = {}
        self._kept: OrderedDict[Key, tuple[float, object]] = OrderedDict()
        self._missing: OrderedDict[Key, tuple[float, object]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[object]] = {}

    def covers(self, domain: str, purpose: Purpose) -> bool:
        servers = self._book.servers()
        return bool(servers) and any(server.serves(domain, purpose) for server in servers)

    def is_used(self, purpose: Purpose) -> bool:
        servers = self._book.servers()
        return bool(servers) and any(purpose in server.uses for server in servers)

    def owns(self, domain: str, purpose: Purpose) -> bool:
        servers = self._book.servers()
        return bool(servers) and any(server.owns(domain, purpose) for server in servers)

    async def find(self, address: Address, purpose: Purpose) -> OutsideEntry | None:
        trouble: Temporary | None = None
        for server in self._fresh():
            if not server.serves(address.domain, purpose):
                continue
            try:
                found = await self._once(server, "address", address.key, partial(self._look, server, address))
            except Temporary as error:
                trouble = trouble or error
                continue
            if found is not None:
                return found
        if trouble is not None:
            raise trouble
        return None

    async def members(self, group: OutsideEntry) -> Sequence[Address]:
        server = next((each for each in self._fresh() if each.name == group.server), None)
        if server is None:
            raise Temporary(PUBLIC, cause=f"LDAP server {group.server} has gone")
        return await self._once(server, "members", group.dn, partial(self._expand, server, group))

    async def domain_mask(self, domain: str) -> str:
        for server in self._fresh():
            if (
                server.domain_filter
                and server.serves(domain, "masquerade")
                and (mask := await self._once(server, "domain", domain, partial(self._look_for_mask, server, domain)))
            ):
                return mask
        return ""

    async def tried(self, server: LdapServer) -> Sequence[Tried]:
        return [await self._try(server, url) for url in server.urls]

    def close(self) -> None:
        """Closes all connections."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    # What is kept

    def _fresh(self) -> Sequence[LdapServer]:
        servers = self._book.servers()
        if servers is not self._known:
            for server in self._known:
                if server not in servers and (pool := self._pools.pop(server.name, None)) is not None:
                    pool.close()
            self._known = servers
            self._generation += 1
            self._kept.clear()
            self._missing.clear()
            self._filters.clear()
        return servers

    async def _once(self, server: LdapServer, kind: str, word: str, ask: Callable[[], Awaitable[Found]]) -> Found:
        """The answer that is kept, that is on its way, or a new one. Raises Temporary, which is not kept."""
        key = (self._generation, server.name, kind, word)
        kept = self._kept.get(key) or self._missing.get(key)
        if kept is not None and kept[0] > self._clock.steady():
            return cast(Found, kept[1])
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= self._settings().max_asked:
                raise Temporary(PUBLIC, cause=f"LDAP server {server.name}: too many questions at once")
            task = self._asking[key] = asyncio.create_task(self._answer(key, ask))
            task.add_done_callback(partial(self._done, key))
        return cast(Found, await asyncio.shield(task))

    async def _answer(self, key: Key, ask: Callable[[], Awaitable[object]]) -> object:
        try:
            found = await ask()
        except Temporary:
            DIRECTORY_ANSWERS.labels(key[1], "failed").inc()
            raise
        settings = self._settings()
        DIRECTORY_ANSWERS.labels(key[1], "found" if found else "unknown").inc()
        keep_s = settings.keep_s if found else settings.keep_unknown_s
        if keep_s and settings.max_kept and key[0] == self._generation:
            self._kept.pop(key, None)
            answers = self._kept if found else self._missing  # apart: trying out addresses must not push out what is known
            answers[key] = (self._clock.steady() + keep_s, found)
            answers.move_to_end(key)
            while len(answers) > settings.max_kept:
                answers.popitem(last=False)
        return found

    def _done(self, key: Key, task: asyncio.Task[object]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # whoever asked may have gone

    # What is asked

    async def _look(self, server: LdapServer, address: Address) -> OutsideEntry | None:
        wanted = self._search(server, self._filter(server).encoded(address.local, address.domain), most=2)
        found = await self._pool(server).search(wanted)
        if len(found) > 1:
            names = " and ".join(entry.dn.decode("utf-8", "replace") for entry in found)
            raise Temporary(
                "The directory is not clear about this address", cause=f"LDAP server {server.name}: {names} both have it"
            )
        return ldap_entries.entry_of(server, found[0].dn, found[0].attributes) if found else None

    async def _look_for_mask(self, server: LdapServer, domain: str) -> str:
        wanted = self._search(server, Filter.parse(server.domain_filter).encoded("", domain), most=1)
        found = await self._pool(server).search(wanted)
        return ldap_entries.domain_mask(server, found[0].attributes) if found else ""

    async def _expand(self, server: LdapServer, group: OutsideEntry) -> Sequence[Address]:
        """Level by level; each entry is looked at once, so that groups in one another come to an end."""
        found: dict[str, Address] = {}
        level, seen = [group.dn.encode()], {group.dn.encode()}
        while level:
            named: dict[bytes, None] = {}
            for dn in level:
                addresses, dns = await self._listed(server, dn)
                found.update((address.key, address) for address in addresses if address.key not in found)
                named.update((member, None) for member in dns if member not in seen)
                self._check_number(group, len(found) + len(seen) + len(named) - 1)
            seen.update(named)
            level = []
            for entry in await self._entries(server, list(named)):
                if entry.address is not None:
                    found.setdefault(entry.address.key, entry.address)
                elif entry.is_group:
                    level.append(entry.dn.encode())
        return tuple(found.values())

    def _check_number(self, group: OutsideEntry, members: int) -> None:
        most = self._settings().max_members
        if members > most:
            raise Temporary("Too many members behind this address", cause=f"{group.dn} has more than {most} members")

    async def _listed(self, server: LdapServer, dn: bytes) -> tuple[list[Address], list[bytes]]:
        """What a group lists itself, piece by piece if need be."""
        addresses: list[Address] = []
        dns: list[bytes] = []
        wanted: Sequence[str] = (*server.names.members, *server.names.member_dns)
        for _ in range(RANGES):
            entry = await self._named(server, dn, wanted)
            if entry is None:
                break
            addresses += ldap_entries.member_addresses(server, entry.attributes)
            dns += ldap_entries.member_dns(server, entry.attributes)
            rest = ldap_entries.rest_of_range(entry.attributes)
            if not rest or len(dns) > self._settings().max_members:
                break
            wanted = (rest,)
        return addresses, dns

    async def _entries(self, server: LdapServer, dns: Sequence[bytes]) -> Sequence[OutsideEntry]:
        """The entries of these names, in their order; those that are not there are left out."""
        places = asyncio.Semaphore(MEMBERS_AT_ONCE)
        wanted = ldap_entries.wanted_attributes(server)

        async def one(dn: bytes) -> Entry | None:
            async with places:
                return await self._named(server, dn, wanted)

        found = await asyncio.gather(*map(one, dns))
        return [ldap_entries.entry_of(server, entry.dn, entry.attributes) for entry in found if entry is not None]

    async def _named(self, server: LdapServer, dn: bytes, wanted: Sequence[str]) -> Entry | None:
        limit_s = int(self._settings().search_timeout_s) + 1
        found = await self._pool(server).search(Search(dn, ANYTHING, wanted, "base", 1, limit_s))
        return found[0] if found else None

    def _search(self, server: LdapServer, encoded: bytes, most: int) -> Search:
        attributes = ldap_entries.wanted_attributes(server)
        limit_s = int(self._settings().search_timeout_s) + 1
        return Search(server.base.encode(), encoded, attributes, server.scope, most, limit_s)

    def _filter(self, server: LdapServer) -> Filter:
        found = self._filters.get(server.name)
        if found is None:
            found = self._filters[server.name] = Filter.parse(ldap_entries.address_filter(server))
        return found

    def _pool(self, server: LdapServer) -> Pool:
        pool = self._pools.get(server.name)
        if pool is None or pool.server != server:
            if pool is not None:
                pool.close()
            pool = self._pools[server.name] = Pool(server, self._settings, self._clock)
        return pool

    async def _try(self, server: LdapServer, url: str) -> Tried:
        began_s, pool = self._clock.steady(), Pool(replace(server, urls=(url,)), self._settings, self._clock)
        problem = ""
        try:
            found = await pool.search(Search(server.base.encode(), ANYTHING, ("objectClass",), "base", 1))
            problem = "" if found else f"the base {server.base} is not there, or may not be read"
        except Temporary as error:
            problem = error.cause.partition(f"{url}: ")[2] or error.cause
        finally:
            pool.close()
        return Tried(url, problem, self._clock.steady() - began_s)
