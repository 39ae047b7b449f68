"""What is said about users' limits, beside the directory (STO-5, DIR-5): classes of service, and terms of users and domains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from posthouse.model.address import Address
from posthouse.model.limits import UNLIMITED, Allowance, ClassOfService, DomainTerms, Limits, Sources, UserTerms

Allowances = Callable[[int], Awaitable[Allowance]]
"""What an account (by number) may use. Cheap: asked for every message. Raises Temporary if it cannot be found out."""


async def unlimited(_account_id: int) -> Allowance:
    """Allowances where nothing is limited, and what is deleted is gone."""
    return UNLIMITED


class LimitBook(Protocol):
    """Reading, in every process. A class that is named but does not exist says nothing. Raises Temporary."""

    async def sources(self, account_id: int) -> Sources | None:
        """All that holds for an account; the same object as long as nothing changed; None if there is no such account."""
        ...

    async def user_terms(self, address: Address) -> UserTerms: ...

    async def domain_terms(self, name: str) -> DomainTerms: ...

    async def classes(self) -> Sequence[ClassOfService]:
        """All, sorted by name."""
        ...


class LimitBookWriter(Protocol):
    """Changes. Durable when the call returns; seen by every process as those of the directory are."""

    async def put_class(self, name: str, limits: Limits) -> ClassOfService:
        """Makes or replaces a class. Raises BadValue (name)."""
        ...

    async def delete_class(self, name: str) -> None:
        """Raises NotFound; Permanent while users or domains name it."""
        ...

    async def put_user_terms(self, address: Address, terms: UserTerms) -> None:
        """Raises NotFound (the account, the class)."""
        ...

    async def put_domain_terms(self, name: str, terms: DomainTerms) -> None:
        """Raises NotFound (the domain, the class)."""
        ...
