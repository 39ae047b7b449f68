"""DNS for one check of SPF, within its limits (RFC 7208 §4.6.4): terms that ask, answers that are empty, hosts behind an MX.

Turns a resolver's Temporary into TempError, so that a check fails towards ``temperror`` and never into a refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx, Resolver
from posthouse.mailauth.spf.errors import PermError, TempError
from posthouse.model.networks import plain_ip

MAX_TERMS = 10
MAX_VOID = 2
MAX_HOSTS = 10

Answer = TypeVar("Answer")


class Lookups:
    """One check's budget. ``terms`` counts what has been used of it."""

    def __init__(self, resolver: Resolver, client: str) -> None:
        self._resolver = resolver
        self._client = client
        self._six = ":" in client
        self._void = 0
        self._names: Sequence[str] | None = None
        self._validated: list[str] | None = None
        self.terms = 0

    def count_term(self) -> None:
        """One more term that asks DNS. Raises PermError past ten."""
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise PermError(f"more than {MAX_TERMS} terms that need DNS")

    async def texts(self, name: str) -> Sequence[str]:
        """TXT records; an empty answer is not counted, its callers have rules of their own."""
        return await _asked(self._resolver.txt(name))

    async def addresses(self, host: str) -> Sequence[str]:
        """Addresses of the client's family."""
        asked = self._resolver.aaaa(host) if self._six else self._resolver.a(host)
        return self._counted(await _asked(asked))

    async def has_a(self, host: str) -> bool:
        """Whether there is an A record, whatever the client's family (RFC 7208 §5.7)."""
        return bool(self._counted(await _asked(self._resolver.a(host))))

    async def mail_hosts(self, domain: str) -> Sequence[Mx]:
        """MX records. Raises PermError if there are more than ten."""
        found = self._counted(await _asked(self._resolver.mx(domain)))
        if len(found) > MAX_HOSTS:
            raise PermError(f"{domain} has more than {MAX_HOSTS} MX records")
        return found

    async def validated_names(self) -> Sequence[str]:
        """The client's host names that lead back to its address; ten are tried, failures of DNS mean that there are none
        (RFC 7208 §5.5). Raises PermError."""
        if self._names is None:
            try:
                self._names = (await self._resolver.ptr(self._client))[:MAX_HOSTS]
            except Temporary:
                return ()
        names = self._counted(self._names)
        if self._validated is None:
            self._validated = [name for name in names if await self._leads_back(name)]
        return self._validated

    async def _leads_back(self, name: str) -> bool:
        try:
            found = await (self._resolver.aaaa(name) if self._six else self._resolver.a(name))
        except Temporary:
            return False
        client = plain_ip(self._client)
        return any(plain_ip(address) == client for address in found)

    def _counted(self, answer: Sequence[Answer]) -> Sequence[Answer]:
        """Raises PermError at the third empty answer."""
        if not answer:
            self._void += 1
            if self._void > MAX_VOID:
                raise PermError(f"more than {MAX_VOID} look-ups without an answer")
        return answer


async def _asked(question: Awaitable[Sequence[Answer]]) -> Sequence[Answer]:
    try:
        return await question
    except Temporary as error:
        raise TempError(error.cause or error.public) from error
