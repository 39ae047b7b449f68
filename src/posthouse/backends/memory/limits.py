"""Limits in memory (interfaces/limits.py), beside a directory in memory."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import NotFound, Permanent
from posthouse.interfaces.directory import Directory
from posthouse.model.address import Address
from posthouse.model.limits import ClassOfService, DomainTerms, Limits, Sources, UserTerms, checked_class_name


class MemoryLimits:
    """Both sides."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._classes: dict[str, Limits] = {}
        self._users: dict[int, UserTerms] = {}
        self._domains: dict[int, DomainTerms] = {}
        self._last: dict[int, Sources] = {}

    async def sources(self, account_id: int) -> Sources | None:
        account = await self._directory.account_by_id(account_id)
        if account is None:
            return None
        user, domain = self._users.get(account_id, UserTerms()), self._domains.get(account.domain_id, DomainTerms())
        said = (user.limits, self._of_class(user.cos), domain.limits, self._of_class(domain.cos))
        found = Sources(
            account.domain_id, tuple(limits for limits in said if limits.said()), domain.quota_bytes, domain.quota_messages
        )
        if self._last.get(account_id) != found:
            self._last[account_id] = found
        return self._last[account_id]

    def _of_class(self, name: str) -> Limits:
        return self._classes.get(name, Limits())

    async def user_terms(self, address: Address) -> UserTerms:
        return self._users.get(await self._account_id(address), UserTerms())

    async def domain_terms(self, name: str) -> DomainTerms:
        return self._domains.get(await self._domain_id(name), DomainTerms())

    async def classes(self) -> Sequence[ClassOfService]:
        return [ClassOfService(name, limits) for name, limits in sorted(self._classes.items())]

    async def put_class(self, name: str, limits: Limits) -> ClassOfService:
        normal = checked_class_name(name)
        self._classes[normal] = limits
        return ClassOfService(normal, limits)

    async def delete_class(self, name: str) -> None:
        users = sum(terms.cos == name for terms in self._users.values())
        domains = sum(terms.cos == name for terms in self._domains.values())
        if users or domains:
            raise Permanent(f"the class {name} is that of {users} users and {domains} domains", enhanced="5.3.0")
        if self._classes.pop(name, None) is None:
            raise NotFound(f"no class of service {name}")

    async def put_user_terms(self, address: Address, terms: UserTerms) -> None:
        self._known_class(terms.cos)
        self._users[await self._account_id(address)] = terms

    async def put_domain_terms(self, name: str, terms: DomainTerms) -> None:
        self._known_class(terms.cos)
        self._domains[await self._domain_id(name)] = terms

    def _known_class(self, name: str) -> None:
        if name and name not in self._classes:
            raise NotFound(f"no class of service {name}")

    async def _account_id(self, address: Address) -> int:
        account = await self._directory.account(address)
        if account is None:
            raise NotFound(f"no account {address}")
        return account.account_id

    async def _domain_id(self, name: str) -> int:
        for domain in await self._directory.domains():
            if domain.name == name:
                return domain.domain_id
        raise NotFound(f"no domain {name}")
