"""The keys that this site signs mail with (OUT-8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.signing_key import KeyState, SigningKey


class SigningKeys(Protocol):
    """Reading."""

    async def active_keys(self, domain: str) -> Sequence[SigningKey]:
        """The keys to sign this domain's mail with (lower case), none for most domains. Cheap: asked for each message."""
        ...

    async def signing_keys(self, domain: str = "") -> Sequence[SigningKey]:
        """All of a domain, or of all domains, sorted by domain and selector."""
        ...


class SigningKeysWriter(Protocol):
    """Changes; durable when a call returns, seen by every process of the node at its next look."""

    async def add_signing_key(self, key: SigningKey) -> None:
        """Raises NotFound (the domain), AlreadyExists (the selector)."""
        ...

    async def change_signing_keys(self, domain: str, states: Sequence[tuple[str, KeyState]], *, at: float) -> None:
        """Gives the named selectors new states, all at once. Raises NotFound."""
        ...

    async def delete_signing_key(self, domain: str, selector: str) -> None:
        """Raises NotFound."""
        ...
