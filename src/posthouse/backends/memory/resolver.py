"""A resolver of fixed answers, for tests and for nodes without DNS (interfaces/resolver.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx
from posthouse.model.tls_policy import Tlsa


class MemoryResolver:
    """``records`` maps ``(name, type)`` to texts: MX as ``10 host``. A name with the type ``FAIL`` gets no answer.
    Names that end in one of ``signed`` are as if validated by DNSSEC."""

    signed: Sequence[str] = ()

    def __init__(self, records: Mapping[tuple[str, str], Sequence[str]] | None = None) -> None:
        self.records = {(name.lower(), kind): tuple(values) for (name, kind), values in (records or {}).items()}

    def _get(self, name: str, kind: str) -> tuple[str, ...]:
        key = name.lower().rstrip(".")
        if (key, "FAIL") in self.records:
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause=f"{name} {kind}: no answer")
        return self.records.get((key, kind), ())

    async def mx(self, domain: str) -> Sequence[Mx]:
        pairs = [value.split() for value in self._get(domain, "MX")]
        return sorted((Mx(int(preference), host) for preference, host in pairs), key=lambda mx: (mx.preference, mx.host))

    async def addresses(self, host: str) -> Sequence[str]:
        return [*self._get(host, "AAAA"), *self._get(host, "A")]

    async def a(self, host: str) -> Sequence[str]:
        return self._get(host, "A")

    async def aaaa(self, host: str) -> Sequence[str]:
        return self._get(host, "AAAA")

    async def txt(self, name: str) -> Sequence[str]:
        return self._get(name, "TXT")

    async def cname(self, name: str) -> str:
        return next(iter(self._get(name, "CNAME")), "")

    async def ptr(self, address: str) -> Sequence[str]:
        return self._get(address, "PTR")

    async def tlsa(self, name: str) -> Sequence[Tlsa]:
        found = [value.split() for value in self._get(name, "TLSA")]
        return [
            Tlsa(int(usage), int(selector), int(matching), bytes.fromhex(data)) for usage, selector, matching, data in found
        ]

    async def authentic(self, name: str, kind: str) -> bool:
        self._get(name, kind)
        return any(name.lower().rstrip(".").endswith(zone) for zone in self.signed)

    async def exists(self, domain: str) -> bool:
        self._get(domain, "SOA")
        return any(name == domain.lower() for name, _ in self.records)
