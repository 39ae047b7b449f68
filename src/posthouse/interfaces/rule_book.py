"""Which rule groups the embedded scorer uses, beside those that come with the program (CON-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredRules:
    """``groups`` are the texts of the groups by name; ``version`` is their maker's number, ``origin`` where they came from.
    ``at`` is when they were taken over."""

    version: int
    at: float
    origin: str
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RulesRow:
    """One set of rules that is or was in use; the program's own has version 0."""

    version: int
    at: float
    origin: str
    in_use: bool


class RuleBook(Protocol):
    """Reading, in every process. Raises Temporary when it cannot be read."""

    async def changes(self) -> int:
        """A number that grows with every change of what is in use. Cheap: asked for each message."""
        ...

    async def in_use(self) -> StoredRules | None:
        """What is in use; None: what comes with the program."""
        ...


class RuleBookWriter(RuleBook, Protocol):
    """Changing it, in the steward. Durable when a call returns. Raises Temporary."""

    async def take_over(self, rules: StoredRules) -> None:
        """Keeps a set of rules and puts it in use. The last ``KEPT`` sets are kept."""
        ...

    async def roll_back(self) -> StoredRules | None:
        """Puts in use what was in use before; gives it, None for what comes with the program. Raises NotFound when that is in
        use already."""
        ...

    async def history(self) -> Sequence[RulesRow]:
        """The sets that are kept, the newest first; the program's own is the last."""
        ...

    async def newest(self) -> int:
        """The highest version that was ever taken over, 0 if none was: no older one is taken over again."""
        ...
