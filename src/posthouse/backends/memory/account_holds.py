"""Held accounts and places in memory (interfaces/account_holds.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from posthouse.interfaces.account_holds import MOST_HOLDS, MOST_PLACES
from posthouse.model.account_hold import AccountHold


class MemoryAccountHolds:
    """Reader and writer in one."""

    def __init__(self) -> None:
        self._holds: list[AccountHold] = []
        self._places: dict[int, dict[str, tuple[float, float]]] = {}

    async def hold_of(self, account_id: int) -> AccountHold | None:
        return next((each for each in self._holds if each.account_id == account_id and not each.released_at), None)

    async def is_held(self, account: str) -> bool:
        return any(each.account == account.lower() and not each.released_at for each in self._holds)

    async def holds(self, *, past: bool = False, limit: int = 1000) -> Sequence[AccountHold]:
        return [each for each in reversed(self._holds) if past or not each.released_at][:limit]

    async def places(self, account_id: int) -> Mapping[str, tuple[float, float]]:
        return dict(self._places.get(account_id, {}))

    async def hold(self, hold: AccountHold) -> bool:
        if not hold.released_at and await self.hold_of(hold.account_id) is not None:
            return False
        self._holds.append(replace(hold, account=hold.account.lower()))
        ended = [each for each in self._holds if each.released_at]
        for each in ended[: max(0, len(ended) - MOST_HOLDS)]:
            self._holds.remove(each)
        return True

    async def release(self, account: str, who: str, at: float) -> bool:
        for place, each in enumerate(self._holds):
            if each.account == account.lower() and not each.released_at:
                self._holds[place] = replace(each, released_at=at, released_by=who)
                return True
        return False

    async def came_from(self, account_id: int, places: Sequence[str], at: float) -> Mapping[str, tuple[float, float]]:
        known = self._places.setdefault(account_id, {})
        for place in places:
            known[place] = (known.get(place, (at, at))[0], at)
        for place, _ in sorted(known.items(), key=lambda each: (each[1][1], each[0]))[: max(0, len(known) - MOST_PLACES)]:
            del known[place]
        return dict(known)
