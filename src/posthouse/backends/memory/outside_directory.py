"""Outside directories in memory (interfaces/outside_directory.py), for tests."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import NotFound, Temporary
from posthouse.interfaces.outside_directory import Tried
from posthouse.model.address import Address
from posthouse.model.outside import LdapServer, OutsideEntry, Purpose


class MemoryLdapServers:
    """``interfaces.outside_directory.LdapServers`` and its writer."""

    def __init__(self, servers: Sequence[LdapServer] = ()) -> None:
        self._servers = tuple(servers)

    def servers(self) -> Sequence[LdapServer]:
        return self._servers

    async def put_server(self, server: LdapServer) -> None:
        if any(each.name == server.name for each in self._servers):
            self._servers = tuple(server if each.name == server.name else each for each in self._servers)
        else:
            self._servers = (*self._servers, server)

    async def delete_server(self, name: str) -> None:
        left = tuple(each for each in self._servers if each.name != name)
        if len(left) == len(self._servers):
            raise NotFound(f"no LDAP server {name}")
        self._servers = left


class MemoryOutsideDirectory:
    """``entries`` by server and address, ``groups`` by server and DN: addresses, or DNs of other entries. The servers in
    ``down`` do not answer."""

    def __init__(self, servers: MemoryLdapServers | None = None) -> None:
        self.book = servers or MemoryLdapServers()
        self.entries: dict[str, dict[str, list[OutsideEntry]]] = {}
        self.groups: dict[tuple[str, str], list[Address | str]] = {}
        self.masks: dict[tuple[str, str], str] = {}
        self.down: set[str] = set()
        self.max_members = 5_000
        self.asked = 0

    def add(self, entry: OutsideEntry, *addresses: str, members: Sequence[Address | str] = ()) -> None:
        """An entry that is found by these addresses."""
        for address in addresses or ("",):
            self.entries.setdefault(entry.server, {}).setdefault(address.lower(), []).append(entry)
        if entry.is_group:
            self.groups[entry.server, entry.dn] = list(members)

    def covers(self, domain: str, purpose: Purpose) -> bool:
        return any(server.serves(domain, purpose) for server in self.book.servers())

    def is_used(self, purpose: Purpose) -> bool:
        return any(purpose in server.uses for server in self.book.servers())

    def owns(self, domain: str, purpose: Purpose) -> bool:
        return any(server.owns(domain, purpose) for server in self.book.servers())

    async def find(self, address: Address, purpose: Purpose) -> OutsideEntry | None:
        trouble: Temporary | None = None
        for server in self.book.servers():
            if not server.serves(address.domain, purpose):
                continue
            if server.name in self.down:
                trouble = self._dead(server.name)
                continue
            self.asked += 1
            found = self.entries.get(server.name, {}).get(address.key, [])
            if len(found) > 1:
                raise Temporary("The directory is not clear", cause=f"{server.name}: several entries have {address}")
            if found:
                return found[0]
        if trouble is not None:
            raise trouble
        return None

    async def members(self, group: OutsideEntry) -> Sequence[Address]:
        if group.server in self.down:
            raise self._dead(group.server)
        found: dict[str, Address] = {}
        waiting, seen = [group.dn], {group.dn}
        for dn in waiting:
            for member in self.groups.get((group.server, dn), []):
                if isinstance(member, Address):
                    found.setdefault(member.key, member)
                elif member not in seen:
                    seen.add(member)
                    entry = self._named(group.server, member)
                    if entry is not None and entry.address is not None:
                        found.setdefault(entry.address.key, entry.address)
                    elif entry is not None and entry.is_group:
                        waiting.append(member)
            if len(found) + len(seen) - 1 > self.max_members:
                raise Temporary("Too many members", cause=f"{group.dn} has more than {self.max_members} members")
        return tuple(found.values())

    async def domain_mask(self, domain: str) -> str:
        for server in self.book.servers():
            if server.serves(domain, "masquerade") and server.domain_filter:
                if server.name in self.down:
                    raise self._dead(server.name)
                if mask := self.masks.get((server.name, domain)):
                    return mask
        return ""

    async def tried(self, server: LdapServer) -> Sequence[Tried]:
        return [Tried(url, "down" if server.name in self.down else "", 0.001) for url in server.urls]

    def _named(self, server: str, dn: str) -> OutsideEntry | None:
        for entries in self.entries.get(server, {}).values():
            for entry in entries:
                if entry.dn == dn:
                    return entry
        return None

    def _dead(self, server: str) -> Temporary:
        return Temporary("The directory cannot be asked", cause=f"LDAP server {server}: down")
