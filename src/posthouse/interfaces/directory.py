"""Domains, accounts, aliases (DIR-1, GRP-1, RTE-4). Reading is for every role; writing for operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.account import Account, Alias, Domain, Forward, Leaving, Role
from posthouse.model.address import Address


class Directory(Protocol):
    """Look-ups compare addresses by ``Address.key``. They raise Temporary if the directory cannot be asked."""

    async def domain(self, name: str) -> Domain | None:
        """The local domain of this name (A-label form, lower case); None if it is not local or is disabled."""
        ...

    async def account(self, address: Address) -> Account | None:
        """The account whose main address this is; disabled ones too (callers check ``enabled``)."""
        ...

    async def account_by_id(self, account_id: int) -> Account | None: ...

    async def alias(self, address: Address) -> Alias | None:
        """The alias at exactly this address."""
        ...

    async def memberships(self, address: Address) -> Sequence[Address]:
        """The aliases that name exactly this address among their targets, sorted by ``Address.key``."""
        ...

    async def owned(self, address: Address) -> Sequence[Address]:
        """The aliases that the account of this address owns, sorted by ``Address.key``."""
        ...

    async def domains(self) -> Sequence[Domain]:
        """All, sorted by name, disabled ones too."""
        ...

    async def accounts(
        self, *, pattern: str = "*", domain: str = "", after: str = "", limit: int = 1000, role: Role | None = None
    ) -> Sequence[Account]:
        """Sorted by ``Address.key``; ``pattern`` is a glob over the address (``*`` any run, ``?`` one character, letter case
        does not matter); ``role`` narrows to one role; pages on by ``after`` = last address."""
        ...

    async def aliases(self, *, pattern: str = "*", domain: str = "", limit: int = 10_000) -> Sequence[Alias]:
        """Sorted by ``Address.key``; ``pattern`` as above."""
        ...


class DirectoryWriter(Protocol):
    """Changes. Durable when the call returns; seen by every process of the node at its next look-up or within 100 ms."""

    async def add_domain(self, name: str) -> Domain:
        """Raises AlreadyExists, BadValue."""
        ...

    async def change_domain(self, name: str, *, catch_all: str | None = None, enabled: bool | None = None) -> Domain:
        """``catch_all`` "" means none. Raises NotFound, BadValue (not an address)."""
        ...

    async def delete_domain(self, name: str) -> None:
        """Raises NotFound; Permanent if it still has accounts or aliases."""
        ...

    async def add_account(self, address: Address, *, full_name: str, role: Role, secret: str, scram: str) -> Account:
        """Raises NotFound (the domain), AlreadyExists (account or alias of this address)."""
        ...

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
        """Raises NotFound."""
        ...

    async def put_forward(self, address: Address, forward: Forward | None) -> Account:
        """Where the account's mail goes on to, None: nowhere; a target named twice counts once. Raises NotFound, BadValue (no
        targets, or the account itself among them)."""
        ...

    async def delete_account(self, address: Address) -> Account:
        """Gives the account as it was. Its number is never used again; it owns no alias any more. Raises NotFound."""
        ...

    async def leaving(self) -> Sequence[Leaving]:
        """Accounts, domains and aliases that were deleted and of which the mail store may not know yet; the oldest first."""
        ...

    async def left(self, leaving: Leaving) -> None:
        """The mail store has forgotten this one."""
        ...

    async def put_alias(self, address: Address, targets: Sequence[Address]) -> Alias:
        """Makes or replaces an alias, which keeps its owners; a target named twice counts once. Raises NotFound (the domain),
        AlreadyExists (an account has this address), BadValue (no targets)."""
        ...

    async def add_owners(self, alias: Address, owners: Sequence[Address]) -> Alias:
        """These accounts own the alias, too, all of them or none; ``Alias.owners`` are in the order of ``Address.key``. Raises
        NotFound (the alias, an account)."""
        ...

    async def remove_owners(self, alias: Address, owners: Sequence[Address]) -> Alias:
        """Raises NotFound when one of them does not own it; then all stay."""
        ...

    async def delete_alias(self, address: Address) -> None:
        """Raises NotFound."""
        ...
