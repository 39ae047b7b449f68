"""Addresses elsewhere that lists here send no more to: dead ones, and those whose owners complained (OUT-6, RFC 5965)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Suppression:
    """``address`` in lower case; ``why`` in plain words; ``since`` in seconds since 1970."""

    address: str
    why: str
    since: float


class Suppressions(Protocol):
    """Reading. Raises Temporary when the store cannot be used."""

    async def suppressed(self, address: str) -> Suppression | None:
        """Cheap: asked for each member of a list."""
        ...

    async def listing(self, *, after: str = "", limit: int = 1000) -> Sequence[Suppression]:
        """In order of the address."""
        ...


class SuppressionsWriter(Protocol):
    """Durable when a call returns."""

    async def failed(self, address: str, reply: str, at: float, *, times: int, within_s: float) -> bool:
        """One more permanent failure of an unknown or disabled user; after so many, the first of them no longer ago than
        that, the address is suppressed. True when it is suppressed by this."""
        ...

    async def succeeded(self, address: str) -> None:
        """A message was taken: failures counted so far mean nothing any more."""
        ...

    async def suppress(self, address: str, why: str, at: float) -> None: ...

    async def allow(self, address: str) -> bool:
        """Takes it off. False if it was not on."""
        ...
