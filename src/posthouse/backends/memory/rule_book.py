"""Which rules are in use, in memory (interfaces/rule_book.py), for tests."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import NotFound
from posthouse.interfaces.rule_book import RulesRow, StoredRules

KEPT = 5
SHIPPED = "comes with the program"


class MemoryRuleBook:
    """``interfaces.rule_book.RuleBookWriter``."""

    def __init__(self) -> None:
        self._kept: list[StoredRules] = []
        self._at = 0
        self._changes = 0
        self._newest = 0

    async def changes(self) -> int:
        return self._changes

    async def in_use(self) -> StoredRules | None:
        return self._kept[self._at - 1] if self._at else None

    async def take_over(self, rules: StoredRules) -> None:
        del self._kept[self._at :]
        self._kept = [*self._kept, rules][-KEPT:]
        self._at = len(self._kept)
        self._newest = max(self._newest, rules.version)
        self._changes += 1

    async def roll_back(self) -> StoredRules | None:
        if not self._at:
            raise NotFound("the rules that come with the program are in use; there are none before them")
        self._at -= 1
        self._changes += 1
        return await self.in_use()

    async def history(self) -> Sequence[RulesRow]:
        rows = [RulesRow(each.version, each.at, each.origin, at == self._at) for at, each in enumerate(self._kept, 1)]
        return [*reversed(rows), RulesRow(0, 0.0, SHIPPED, self._at == 0)]

    async def newest(self) -> int:
        return self._newest
