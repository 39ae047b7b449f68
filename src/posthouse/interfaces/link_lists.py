"""Lists of domains that unwanted mail links to (NET-5, CON-8), such as DNS block lists of domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ListedDomain:
    """``domain`` is on the list ``zone``, which is worth ``points``."""

    zone: str
    domain: str
    points: float


class LinkLists(Protocol):
    """All lists at once, within a time of their own."""

    async def listed(self, domains: Sequence[str]) -> Sequence[ListedDomain]:
        """Which of the registered domains are on which list. A list that does not answer says nothing; never raises."""
        ...
