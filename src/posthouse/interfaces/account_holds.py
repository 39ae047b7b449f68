"""Accounts whose sending is stopped, and the places from which accounts send (OUT-5).

A place is a text such as ``net 192.0.0.0/16``, ``country nl`` or ``client 192.0.2.9``; at most ``MOST_PLACES`` of an account
are kept, those that were not used for longest go first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from posthouse.model.account_hold import AccountHold

MOST_PLACES = 100
MOST_HOLDS = 10_000
"""How many of those that ended are remembered."""


class AccountHolds(Protocol):
    """Reading, in every process. Raises Temporary when the store cannot be used."""

    async def hold_of(self, account_id: int) -> AccountHold | None:
        """The hold that is on an account now. Cheap: asked for each message that is submitted, and each login."""
        ...

    async def is_held(self, account: str) -> bool:
        """The same by its address, for messages in the queue."""
        ...

    async def holds(self, *, past: bool = False, limit: int = 1000) -> Sequence[AccountHold]:
        """Newest first; with ``past`` also those that have ended."""
        ...

    async def places(self, account_id: int) -> Mapping[str, tuple[float, float]]:
        """When an account's mail first and last came from each place."""
        ...


class AccountHoldsWriter(Protocol):
    """Durable when a call returns. Raises Temporary when it did not happen."""

    async def hold(self, hold: AccountHold) -> bool:
        """False if the account was held already; then nothing has changed. One that has ended is only remembered."""
        ...

    async def release(self, account: str, who: str, at: float) -> bool:
        """Ends an account's hold, by its address. False if it was not held."""
        ...

    async def came_from(self, account_id: int, places: Sequence[str], at: float) -> Mapping[str, tuple[float, float]]:
        """Notes that an account's mail came from these places; gives all places of the account, these included."""
        ...
