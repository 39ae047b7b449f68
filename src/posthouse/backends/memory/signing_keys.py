"""Signing keys in memory, for tests: reads and writes in one object (interfaces/signing_keys.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posthouse.base.errors import AlreadyExists, NotFound
from posthouse.interfaces.directory import Directory
from posthouse.model.signing_key import KeyState, SigningKey


class MemorySigningKeys:
    """Both sides."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._keys: dict[tuple[str, str], SigningKey] = {}

    async def active_keys(self, domain: str) -> Sequence[SigningKey]:
        return [key for key in await self.signing_keys(domain) if key.state == "active"]

    async def signing_keys(self, domain: str = "") -> Sequence[SigningKey]:
        return [self._keys[name] for name in sorted(self._keys) if domain in ("", name[0])]

    async def add_signing_key(self, key: SigningKey) -> None:
        if key.domain not in [domain.name for domain in await self._directory.domains()]:
            raise NotFound(f"no domain {key.domain}")
        if (key.domain, key.selector) in self._keys:
            raise AlreadyExists(f"{key.domain} has a key {key.selector} already")
        self._keys[(key.domain, key.selector)] = key

    async def change_signing_keys(self, domain: str, states: Sequence[tuple[str, KeyState]], *, at: float) -> None:
        for selector, _ in states:
            self._known(domain, selector)
        for selector, state in states:
            self._keys[(domain, selector)] = replace(self._known(domain, selector), state=state, changed_at=at)

    async def delete_signing_key(self, domain: str, selector: str) -> None:
        self._known(domain, selector)
        del self._keys[(domain, selector)]

    def _known(self, domain: str, selector: str) -> SigningKey:
        if (domain, selector) not in self._keys:
            raise NotFound(f"{domain} has no key {selector}")
        return self._keys[(domain, selector)]
