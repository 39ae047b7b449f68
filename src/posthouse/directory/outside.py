"""What outside directories mean to mail: where it goes, who is behind a group, as whom it leaves (RTE-2, RTE-4, OUT-2).

An address that a directory does not have with its plus-addressing detail is looked up without it. A host that is this node says
nothing: then what is known here decides. Failing: Temporary, whose cause names the server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from posthouse.base.errors import Temporary
from posthouse.interfaces.outside_directory import NoOutsideDirectory, OutsideDirectory
from posthouse.model.address import Address, normal_domain
from posthouse.model.networks import within
from posthouse.model.outside import OutsideEntry, Posting, Purpose
from posthouse.model.route import NextHop
from posthouse.model.settings import Settings

UNCLEAR = "The directory is not clear about this address"


@dataclass(frozen=True, slots=True)
class Lead:
    """Where an entry leads. ``members``: it is a group, to
    which ``posting`` says who may write. ``hop``: the host that takes the mail, for ``address``. Neither: on to
    ``address``, as an alias does."""

    address: Address
    hop: NextHop | None = None
    members: Sequence[Address] | None = None
    posting: Posting | None = None


class Outside:
    """Stateless but for what it was given. ``own_names`` are those of this node."""

    def __init__(
        self,
        directory: OutsideDirectory | None = None,
        settings: Callable[[], Settings] = Settings,
        own_names: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._directory = directory or NoOutsideDirectory()
        self._settings = settings
        self._own_names = own_names

    def covers(self, domain: str, purpose: Purpose) -> bool:
        """As ``OutsideDirectory.covers``."""
        return self._directory.covers(domain, purpose)

    def is_used(self, purpose: Purpose) -> bool:
        """As ``OutsideDirectory.is_used``."""
        return self._directory.is_used(purpose)

    def leads(self, domain: str, *, known: bool) -> bool:
        """Whether a directory may say where mail for addresses of ``domain`` goes. ``known``: the node has or routes it; of
        others only those count that a directory names, so that mail for the rest of the world waits for none."""
        asked = self._directory.covers if known else self._directory.owns
        return asked(domain, "routes") or asked(domain, "groups")

    def owns(self, domain: str) -> bool:
        """Whether a domain is ours because a directory that gives routes names it."""
        return self._directory.owns(domain, "routes")

    async def find(self, address: Address, purpose: Purpose) -> OutsideEntry | None:
        """The entry of an address, or of the one without its detail. Raises Temporary."""
        found = await self._directory.find(address, purpose)
        if found is None:
            base, detail = address.split_detail(self._settings().route.plus_addressing)
            if detail and base != address.local:
                found = await self._directory.find(address.with_local(base), purpose)
        return found

    async def lead(self, address: Address) -> Lead | None:
        """Where mail for an address goes; None if no directory says so. Raises Temporary."""
        if self._directory.covers(address.domain, "groups"):
            found = await self._directory.find(address, "groups")
            if found is not None and found.is_group:
                return Lead(address, members=await self._directory.members(found), posting=found.posting)
        if not self._directory.covers(address.domain, "routes"):
            return None
        found = await self.find(address, "routes")
        if found is None or found.is_group:
            return None
        routing = found.routing if found.routing is not None and found.routing.key != address.key else None
        hop = self._hop(found)
        if hop is None and routing is None:
            return None
        return Lead(routing or address, hop)

    async def may_post(self, posting: Posting, sender: Address | None, *, is_inside: bool, is_forgeable: bool) -> bool:
        """Whether mail from ``sender`` is for this group. ``is_inside``: the client is one of the site. ``is_forgeable``: the
        sender's domain is the site's own, but the client is not: it is not believed. Raises Temporary."""
        if posting.inside_only and not is_inside:
            return False
        if not (posting.addresses or posting.domains or posting.dns):
            return True
        if sender is None or is_forgeable:
            return False
        if sender.key in posting.addresses or within(sender.domain, posting.domains):
            return True
        if not posting.dns:
            return False
        entry = await self._directory.find(sender, "groups") if self._directory.covers(sender.domain, "groups") else None
        for dn in posting.dns:
            if entry is not None and entry.server == posting.server and entry.dn.lower() == dn.lower():
                return True
            members = await self._directory.members(OutsideEntry(posting.server, dn, is_group=True))
            if any(member.key == sender.key for member in members):
                return True
        return False

    async def masked(self, local: str, domain: str) -> tuple[str, str]:
        """The address that is written in place of a sender's: what the entry says, its main address, or what its domain's
        entry says; itself if there is nothing. Raises Temporary."""
        if not local or not self._directory.covers(domain, "masquerade"):
            return local, domain
        found = await self._directory.find(Address(local, domain), "masquerade")
        mask = (found.masquerade or str(found.address or "")) if found is not None else ""
        mask = mask or await self._directory.domain_mask(domain)
        try:
            if "@" in mask:
                instead = Address.parse(mask)
                return instead.local, instead.domain
            return (local, normal_domain(mask)) if mask else (local, domain)
        except ValueError:
            return local, domain

    def _hop(self, entry: OutsideEntry) -> NextHop | None:
        if not entry.host or entry.host in self._own_names():
            return None
        try:
            return NextHop.parse(entry.host)
        except ValueError:
            raise Temporary(UNCLEAR, cause=f"LDAP server {entry.server}: {entry.host!r} of {entry.dn} is no host") from None
