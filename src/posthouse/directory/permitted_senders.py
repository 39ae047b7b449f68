"""Which addresses an account may send as (OUT-3): its own, with any detail; its aliases; the lists that it owns; what was
delegated to it.

An alias that leads to several people is theirs only where that is set, for a list is one, too: as a list its owners send.
Failing: Temporary, so that the sender tries again; nothing is allowed by default.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from posthouse.interfaces.directory import Directory
from posthouse.model.address import Address
from posthouse.model.settings import Settings

MAX_DEPTH = 5


class PermittedSenders:
    """Asks the directory for each address that is not the account's own."""

    def __init__(self, directory: Directory, settings: Callable[[], Settings]) -> None:
        self._directory = directory
        self._settings = settings

    async def why(self, account: Address, address: Address) -> str:
        """By what right, in words for the trace; "" if it may not. Raises Temporary."""
        settings = self._settings()
        if address.key == account.key:
            return "its own"
        base, detail = address.split_detail(settings.route.plus_addressing)
        if detail and f"{base}@{address.domain}".lower() == account.key:
            return "its own, with a detail"
        named = address if not detail else address.with_local(base)
        delegated = _delegated(settings.submission.delegates).get(account.key, frozenset())
        if named.key in delegated or address.key in delegated or f"@{address.domain}" in delegated:
            return "delegated"
        if await self._owns(account, named):
            return "a list that it owns"
        if await self._leads_to(named, account, shared=settings.submission.shared_aliases):
            return "an alias of its own"
        return ""

    async def all_of(self, account: Address) -> list[str]:
        """What an administrator is shown; ``@domain`` for a whole domain."""
        settings = self._settings()
        owned = {alias.key for alias in await self._directory.owned(account)}
        found = {account.key, *owned, *_delegated(settings.submission.delegates).get(account.key, ())}
        level = [account]
        for _ in range(MAX_DEPTH):
            above = [alias for each in level for alias in await self._directory.memberships(each)]
            shared = settings.submission.shared_aliases
            new = [alias for alias in above if alias.key not in found or alias.key in owned]
            fitting = [alias for alias in new if await self._leads_to(alias, account, shared=shared)]
            found.update(alias.key for alias in fitting)
            level = fitting
        return sorted(found)

    async def _owns(self, account: Address, address: Address) -> bool:
        alias = await self._directory.alias(address)
        return alias is not None and any(owner.key == account.key for owner in alias.owners)

    async def _leads_to(self, address: Address, account: Address, *, shared: bool) -> bool:
        """Whether mail for an alias comes to the account: to it alone, or ``shared`` with others."""
        level = [address]
        for _ in range(MAX_DEPTH):
            targets: list[Address] = []
            for each in level:
                alias = await self._directory.alias(each)
                if alias is None:
                    return False  # it leads elsewhere, too
                targets += alias.targets
            if any(target.key == account.key for target in targets):
                return shared or all(target.key == account.key for target in targets)
            if not targets or (len(targets) > 1 and not shared):
                return False
            level = targets[:100]
        return False


@lru_cache(maxsize=4)
def _delegated(pairs: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        account, _, address = pair.lower().partition("=")
        found.setdefault(account, set()).add(address)
    return {account: frozenset(addresses) for account, addresses in found.items()}
