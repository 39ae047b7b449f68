"""Hosts that know their users, in memory (interfaces/recipient_probe.py)."""

from __future__ import annotations

from posthouse.base.errors import Temporary
from posthouse.interfaces.recipient_probe import Probed
from posthouse.model.address import Address
from posthouse.model.route import NextHop


class MemoryProbe:
    """``known`` are the addresses that hosts take; ``down`` the hosts that do not answer; ``asked`` what was asked."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.down: set[str] = set()
        self.asked: list[str] = []

    async def ask(self, address: Address, hop: NextHop) -> Probed:
        self.asked.append(address.key)
        if hop.host in self.down:
            raise Temporary("The other host cannot be reached", cause=f"{hop.host} is down")
        known = address.key in self.known
        return Probed(known, "250 2.1.5 OK" if known else "550 5.1.1 No such user")
