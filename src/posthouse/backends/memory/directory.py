"""The directory in memory, for tests and tools: reads and writes in one object."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from posthouse.backends.directory_checks import checked_catch_all, checked_domain_name, checked_forward, checked_targets
from posthouse.base.errors import AlreadyExists, NotFound, Permanent
from posthouse.base.glob import matches
from posthouse.model.account import Account, Alias, Domain, Forward, Leaving, Role
from posthouse.model.address import Address


class MemoryDirectory:
    """``interfaces.directory.Directory`` and ``DirectoryWriter``."""

    def __init__(self) -> None:
        self._domains: dict[str, Domain] = {}
        self._accounts: dict[str, Account] = {}
        self._leaving: list[Leaving] = []
        self._aliases: dict[str, Alias] = {}
        self._last_domain_id = 0
        self._last_account_id = 0
        self._login_key = os.urandom(32)

    async def domain(self, name: str) -> Domain | None:
        domain = self._domains.get(name)
        return domain if domain is not None and domain.enabled else None

    async def account(self, address: Address) -> Account | None:
        return self._accounts.get(address.key)

    async def account_by_id(self, account_id: int) -> Account | None:
        return next((account for account in self._accounts.values() if account.account_id == account_id), None)

    async def alias(self, address: Address) -> Alias | None:
        return self._aliases.get(address.key)

    async def memberships(self, address: Address) -> Sequence[Address]:
        named = [alias for _, alias in sorted(self._aliases.items()) if any(each.key == address.key for each in alias.targets)]
        return [alias.address for alias in named]

    async def owned(self, address: Address) -> Sequence[Address]:
        named = [alias for _, alias in sorted(self._aliases.items()) if _among(address, alias.owners)]
        return [alias.address for alias in named]

    async def domains(self) -> Sequence[Domain]:
        return [self._domains[name] for name in sorted(self._domains)]

    async def accounts(
        self, *, pattern: str = "*", domain: str = "", after: str = "", limit: int = 1000, role: Role | None = None
    ) -> Sequence[Account]:
        keys = [key for key in sorted(self._accounts) if key > after.lower() and matches(pattern, key)]
        found = [self._accounts[key] for key in keys]
        fitting = [entry for entry in found if domain in ("", entry.address.domain) and role in (None, entry.role)]
        return fitting[: max(limit, 0)]

    async def aliases(self, *, pattern: str = "*", domain: str = "", limit: int = 10_000) -> Sequence[Alias]:
        found = [self._aliases[key] for key in sorted(self._aliases) if matches(pattern, key)]
        return [entry for entry in found if domain in ("", entry.address.domain)][: max(limit, 0)]

    async def login_key(self) -> bytes:
        """32 secret octets."""
        return self._login_key

    async def add_domain(self, name: str) -> Domain:
        normal = checked_domain_name(name)
        if normal in self._domains:
            raise AlreadyExists(f"domain {normal} exists already")
        self._last_domain_id += 1
        self._domains[normal] = Domain(self._last_domain_id, normal)
        return self._domains[normal]

    async def change_domain(self, name: str, *, catch_all: str | None = None, enabled: bool | None = None) -> Domain:
        domain = self._known_domain(name)
        if catch_all is not None:
            domain = replace(domain, catch_all=checked_catch_all(catch_all))
        if enabled is not None:
            domain = replace(domain, enabled=enabled)
        self._domains[name] = domain
        return domain

    async def delete_domain(self, name: str) -> None:
        self._known_domain(name)
        accounts, aliases = await self.accounts(domain=name), await self.aliases(domain=name)
        if accounts or aliases:
            raise Permanent(f"domain {name} still has {len(accounts)} accounts and {len(aliases)} aliases", enhanced="5.3.0")
        domain = self._domains.pop(name)
        self._leaving.append(Leaving(-domain.domain_id, f"domain:{domain.name}"))

    async def add_account(self, address: Address, *, full_name: str, role: Role, secret: str, scram: str) -> Account:
        domain_id = self._known_domain(address.domain).domain_id
        if address.key in self._accounts or address.key in self._aliases:
            raise AlreadyExists(f"{address} exists already")
        self._last_account_id += 1
        account = Account(
            account_id=self._last_account_id,
            domain_id=domain_id,
            address=address,
            full_name=full_name,
            role=role,
            enabled=True,
            secret=secret,
            scram=scram,
        )
        self._accounts[address.key] = account
        return account

    async def change_account(
        self,
        address: Address,
        *,
        full_name: str | None = None,
        role: Role | None = None,
        enabled: bool | None = None,
        secret: str | None = None,
        scram: str | None = None,
    ) -> Account:
        old = self._known_account(address)
        self._accounts[address.key] = replace(
            old,
            full_name=old.full_name if full_name is None else full_name,
            role=old.role if role is None else role,
            enabled=old.enabled if enabled is None else enabled,
            secret=old.secret if secret is None else secret,
            scram=old.scram if scram is None else scram,
        )
        return self._accounts[address.key]

    async def put_forward(self, address: Address, forward: Forward | None) -> Account:
        checked = checked_forward(address, forward)
        self._accounts[address.key] = replace(self._known_account(address), forward=checked)
        return self._accounts[address.key]

    async def delete_account(self, address: Address) -> Account:
        account = self._known_account(address)
        del self._accounts[address.key]
        for key, alias in self._aliases.items():
            self._aliases[key] = _without(alias, [address])
        self._leaving.append(Leaving(account.account_id, address.key))
        return account

    async def leaving(self) -> Sequence[Leaving]:
        return tuple(self._leaving)

    async def left(self, leaving: Leaving) -> None:
        self._leaving = [one for one in self._leaving if one != leaving]

    async def put_alias(self, address: Address, targets: Sequence[Address]) -> Alias:
        once = checked_targets(address, targets)
        self._known_domain(address.domain)
        if address.key in self._accounts:
            raise AlreadyExists(f"account {address} exists already")
        before = self._aliases.get(address.key)
        self._aliases[address.key] = Alias(address, once, before.owners if before else ())
        return self._aliases[address.key]

    async def add_owners(self, alias: Address, owners: Sequence[Address]) -> Alias:
        old = self._known_alias(alias)
        all_of_them = {each.key: each for each in (*old.owners, *(self._known_account(owner).address for owner in owners))}
        self._aliases[alias.key] = replace(old, owners=tuple(all_of_them[key] for key in sorted(all_of_them)))
        return self._aliases[alias.key]

    async def remove_owners(self, alias: Address, owners: Sequence[Address]) -> Alias:
        new = self._known_alias(alias)
        for owner in owners:
            if not _among(owner, new.owners):
                raise NotFound(f"{owner} does not own {alias}")
            new = _without(new, [owner])
        self._aliases[alias.key] = new
        return new

    async def delete_alias(self, address: Address) -> None:
        if self._aliases.pop(address.key, None) is None:
            raise NotFound(f"no alias {address}")
        self._leaving.append(Leaving(0, f"group:{address.key}"))

    def _known_domain(self, name: str) -> Domain:
        if name not in self._domains:
            raise NotFound(f"no domain {name}")
        return self._domains[name]

    def _known_account(self, address: Address) -> Account:
        if address.key not in self._accounts:
            raise NotFound(f"no account {address}")
        return self._accounts[address.key]

    def _known_alias(self, address: Address) -> Alias:
        if address.key not in self._aliases:
            raise NotFound(f"no alias {address}")
        return self._aliases[address.key]


def _among(address: Address, owners: Sequence[Address]) -> bool:
    return any(owner.key == address.key for owner in owners)


def _without(alias: Alias, gone: Sequence[Address]) -> Alias:
    return replace(alias, owners=tuple(owner for owner in alias.owners if not _among(owner, gone)))
