"""Somebody else's directory, in which addresses are looked up: OpenLDAP, Active Directory (RTE-2, INB-5, RTE-4, OUT-2).

Answers are kept for a while, both ways, and what is asked is bounded; a directory that cannot be asked is left alone for a
while. Failing: everything raises Temporary, and its cause names the server. What follows from that is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.model.address import Address
from posthouse.model.outside import LdapServer, OutsideEntry, Purpose


class OutsideDirectory(Protocol):
    """Reading, in every process, on its loop."""

    def covers(self, domain: str, purpose: Purpose) -> bool:
        """Whether any directory is asked about addresses of ``domain`` for this. Cheap: asked for each address, and False
        wherever there is no directory. Raises Temporary when the list of directories cannot be read."""
        ...

    def is_used(self, purpose: Purpose) -> bool:
        """Whether any directory is asked for this at all. Cheap, and raises, as ``covers``."""
        ...

    def owns(self, domain: str, purpose: Purpose) -> bool:
        """Whether a directory that is used for this names ``domain``. A domain of one that gives routes is ours: mail for it is
        taken for whom the directory knows."""
        ...

    async def find(self, address: Address, purpose: Purpose) -> OutsideEntry | None:
        """The entry of exactly this address (in any case of letters) in the first directory for that purpose that has one.

        Raises Temporary when none has it and one could not be asked, and when several entries of one directory have it.
        """
        ...

    async def members(self, group: OutsideEntry) -> Sequence[Address]:
        """The members' addresses, each once: those that the entry lists, and those of the entries that it names. A group in it
        that has an address is given by it; the members of one that has none are given instead. Raises Temporary, also when
        there are more than the settings allow."""
        ...

    async def domain_mask(self, domain: str) -> str:
        """What a directory's entry of a domain says that its mail leaves under; "" for nothing. Raises Temporary."""
        ...


class NoOutsideDirectory:
    """Where there is none."""

    def covers(self, domain: str, purpose: Purpose) -> bool:
        return False

    def is_used(self, purpose: Purpose) -> bool:
        return False

    def owns(self, domain: str, purpose: Purpose) -> bool:
        return False

    async def find(self, address: Address, purpose: Purpose) -> OutsideEntry | None:
        return None

    async def members(self, group: OutsideEntry) -> Sequence[Address]:
        return ()

    async def domain_mask(self, domain: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of asking one server at one URL. ``problem`` "": it answers. ``took_s`` is the whole time."""

    url: str
    problem: str
    took_s: float


class LdapServers(Protocol):
    """Which directories there are, in every process."""

    def servers(self) -> Sequence[LdapServer]:
        """All, in the order in which they are asked; the same object while nothing changes. Cheap. Raises Temporary."""
        ...


class LdapServersWriter(Protocol):
    """Changing them, in the steward."""

    async def put_server(self, server: LdapServer) -> None:
        """Makes or replaces; a new one comes last. Durable on return. Raises Temporary."""
        ...

    async def delete_server(self, name: str) -> None:
        """Raises NotFound, Temporary."""
        ...


class TriesServers(Protocol):
    async def tried(self, server: LdapServer) -> Sequence[Tried]:
        """Connects to each URL of a server, which need not be kept, binds, and reads its base."""
        ...
