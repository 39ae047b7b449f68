"""DNS in a rehearsal: what was recorded with a session, else what is asked now once, else as if nothing were published.

With the same recordings and ``none`` every run gives the same; with ``live`` both ways of one run see the same answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx, Resolver
from posthouse.model.rehearsal import RecordedSession
from posthouse.model.tls_policy import Tlsa


class RehearsalResolver:
    """``interfaces.resolver.Resolver``. ``live`` None: nothing is asked."""

    def __init__(self, live: Resolver | None) -> None:
        self._live = live
        self._known: dict[tuple[str, str], Any] = {}
        self._recorded: dict[str, tuple[str, ...]] = {}

    def use(self, session: RecordedSession) -> None:
        """The answers that were recorded with this session hold from now on."""
        self._recorded = {question.lower(): answers for question, answers in session.dns}

    async def mx(self, domain: str) -> Sequence[Mx]:
        recorded = self._of("mx", domain)
        if recorded is not None:
            pairs = [answer.split() for answer in recorded]
            return sorted((Mx(int(pair[0]), pair[1].rstrip(".")) for pair in pairs), key=lambda mx: mx.preference)
        return await self._once("mx", domain, (Mx(10, domain),))  # type: ignore[no-any-return]

    async def addresses(self, host: str) -> Sequence[str]:
        return [*await self.aaaa(host), *await self.a(host)]

    async def a(self, host: str) -> Sequence[str]:
        return await self._texts("a", host)

    async def aaaa(self, host: str) -> Sequence[str]:
        return await self._texts("aaaa", host)

    async def txt(self, name: str) -> Sequence[str]:
        return await self._texts("txt", name)

    async def cname(self, name: str) -> str:
        return ""

    async def ptr(self, address: str) -> Sequence[str]:
        return await self._texts("ptr", address)

    async def tlsa(self, name: str) -> Sequence[Tlsa]:
        return await self._once("tlsa", name, ())  # type: ignore[no-any-return]

    async def authentic(self, name: str, kind: str) -> bool:
        return False

    async def exists(self, domain: str) -> bool:
        if self._of("exists", domain) == ("no",):
            return False
        return await self._once("exists", domain, True)  # type: ignore[no-any-return]

    async def _texts(self, kind: str, name: str) -> Sequence[str]:
        recorded = self._of(kind, name)
        return recorded if recorded is not None else await self._once(kind, name, ())

    def _of(self, kind: str, name: str) -> tuple[str, ...] | None:
        return self._recorded.get(f"{kind} {name.lower().rstrip('.')}")

    async def _once(self, kind: str, name: str, otherwise: Any) -> Any:
        if self._live is None:
            return otherwise
        key = (kind, name.lower().rstrip("."))
        if key not in self._known:
            ask: Callable[[str], Awaitable[Any]] = getattr(self._live, kind)
            try:
                self._known[key] = await ask(name)
            except Temporary as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, Temporary):
            raise found
        return found
