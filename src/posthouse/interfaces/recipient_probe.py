"""Asking the next host whether it takes mail for an address, before we take it (INB-5: call-forward)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from posthouse.model.address import Address
from posthouse.model.route import NextHop


@dataclass(frozen=True, slots=True)
class Probed:
    """``known``: it would take the mail. ``reply`` is what it said, for the trace."""

    known: bool
    reply: str


class RecipientProbe(Protocol):
    async def ask(self, address: Address, hop: NextHop) -> Probed:
        """Answers are kept for a while, both ways. Raises Temporary when the host cannot be reached in time, puts off its
        answer, or refuses us rather than the address."""
        ...
