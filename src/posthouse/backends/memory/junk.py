"""Terms for spam in memory (interfaces/junk.py), beside a directory and limits in memory."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.backends.memory.limits import MemoryLimits
from posthouse.base.errors import NotFound
from posthouse.interfaces.directory import Directory
from posthouse.model.address import Address
from posthouse.model.junk import JunkTerms, TermsOwner, terms_owners


class MemoryJunk:
    """``JunkBook`` and ``JunkBookWriter``."""

    def __init__(self, directory: Directory, limits: MemoryLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._terms: dict[TermsOwner, JunkTerms] = {}

    async def said(self, recipient: Address) -> Sequence[JunkTerms]:
        user_class = domain_class = ""
        if await self._directory.account(recipient) is not None:
            user_class = (await self._limits.user_terms(recipient)).cos
        if any(domain.name == recipient.domain for domain in await self._directory.domains()):
            domain_class = (await self._limits.domain_terms(recipient.domain)).cos
        owners = terms_owners(recipient, user_class, domain_class)
        return [terms for owner in owners if (terms := await self.terms(owner)).said()]

    async def terms(self, owner: TermsOwner) -> JunkTerms:
        return self._terms.get(owner, JunkTerms())

    async def put_terms(self, owner: TermsOwner, terms: JunkTerms) -> None:
        if owner.scope == "class" and owner.name not in {each.name for each in await self._limits.classes()}:
            raise NotFound(f"no class of service {owner.name}")
        if owner.scope == "domain" and owner.name not in {each.name for each in await self._directory.domains()}:
            raise NotFound(f"no domain {owner.name}")
        self._terms[owner] = terms
