"""What users, classes of service and domains say about spam, at rest (CON-11, CON-13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.address import Address
from posthouse.model.junk import JunkTerms, TermsOwner


class JunkBook(Protocol):
    """Reading, in every process. Raises Temporary when it cannot be read."""

    async def said(self, recipient: Address) -> Sequence[JunkTerms]:
        """What was said for mail to this address, the strongest first, left out where nothing was; the classes are those of the
        account and its domain. Cheap: asked for every recipient of every message."""
        ...

    async def terms(self, owner: TermsOwner) -> JunkTerms:
        """What one place says."""
        ...


class JunkBookWriter(Protocol):
    """Writing. Durable when the call returns; raises Temporary."""

    async def put_terms(self, owner: TermsOwner, terms: JunkTerms) -> None:
        """Raises NotFound for a class or a domain that is not there."""
        ...
