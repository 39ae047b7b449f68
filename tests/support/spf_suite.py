"""The public test suite of RFC 7208, which the source archive of the oracle pyspf carries: fetched once, pinned by its digest.

It is kept in the virtual environment. Where the package index cannot be reached the suite's test is skipped; our own table in
``test_spf_check.py`` stands for itself.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Mx
from posthouse.model.tls_policy import Tlsa

PACKAGE = "pyspf==2.0.14"
MEMBER = "pyspf-2.0.14/test/rfc7208-tests.yml"
SHA256 = "901f561a6e2b1c1590a40a61b1ac7601226fd7045a7aae591a4d25421358d6f9"
KEPT = Path(sys.prefix) / "share" / "rfc7208-tests.yml"


@dataclass(frozen=True)
class Case:
    """One test; ``results`` are those allowed, the preferred one first; ``explanation`` None: not looked at."""

    name: str
    zone: Zone
    helo: str
    host: str
    sender: str
    results: tuple[str, ...]
    explanation: str | None


class Zone:
    """A resolver over one scenario's zone data (interfaces/resolver.py)."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self._names = {name.lower(): list(_records(entries)) for name, entries in data.items()}

    def _ask(self, name: str, kind: str, depth: int = 0) -> list[Any]:
        records = self._names.get(name.lower().rstrip("."), [])
        if not records and name.lower().startswith("error."):
            raise Temporary("no answer")
        values: list[Any] = []
        for type_, value in records:
            if type_ == "CNAME" and kind != "CNAME" and depth < 5:
                return self._ask(value, kind, depth + 1)
            if value == "TIMEOUT" and type_ in (kind, "ANY") and not (type_ == "ANY" and values):
                raise Temporary("no answer")
            if type_ == kind:
                values.append(value)
        return values

    async def mx(self, domain: str) -> list[Mx]:
        return [Mx(int(preference), host.rstrip(".") or ".") for preference, host in sorted(self._ask(domain, "MX"))]

    async def a(self, host: str) -> list[str]:
        return [str(value) for value in self._ask(host, "A")]

    async def aaaa(self, host: str) -> list[str]:
        return [str(value) for value in self._ask(host, "AAAA")]

    async def addresses(self, host: str) -> list[str]:
        return [*await self.aaaa(host), *await self.a(host)]

    async def txt(self, name: str) -> list[str]:
        return [value if isinstance(value, str) else "".join(value) for value in self._ask(name, "TXT")]

    async def cname(self, name: str) -> str:
        return ""

    async def ptr(self, address: str) -> list[str]:
        import dns.reversename

        name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        return [str(value).rstrip(".") for value in self._ask(name, "PTR")]

    async def tlsa(self, name: str) -> list[Tlsa]:
        return []

    async def authentic(self, name: str, kind: str) -> bool:
        return False

    async def exists(self, domain: str) -> bool:
        return domain.lower() in self._names


def _records(entries: list[Any]) -> Iterator[tuple[str, Any]]:
    """(type, value); SPF records stand for TXT ones where the zone has no TXT record of its own."""
    typed = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    own_texts = any(type_ == "TXT" for type_, _ in typed)
    for type_, value in typed:
        if type_ == "SPF" and not own_texts:
            yield "TXT", value
        elif value != "NONE":
            yield type_, value
    if any(entry == "TIMEOUT" for entry in entries):
        yield "ANY", "TIMEOUT"


@cache
def suite() -> tuple[Case, ...]:
    """All cases; none if the suite cannot be fetched."""
    text = _text()
    cases = []
    for scenario in yaml.safe_load_all(text or ""):
        zone = Zone(scenario["zonedata"])
        for name, test in scenario["tests"].items():
            wanted = test["result"]
            results = tuple(wanted) if isinstance(wanted, list) else (wanted,)
            explanation = test.get("explanation")
            helo, host = str(test["helo"]), str(test["host"])
            cases.append(Case(name, zone, helo, host, test["mailfrom"] or "", results, explanation))
    return tuple(cases)


def _text() -> str:
    if KEPT.exists():
        text = KEPT.read_bytes()
    else:
        found = _fetch()
        if found is None:
            return ""
        text = found
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        fresh = KEPT.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(text)
        fresh.replace(KEPT)
    assert hashlib.sha256(text).hexdigest() == SHA256, f"{KEPT} is not the suite that these tests were written for"
    return text.decode()


def _fetch() -> bytes | None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", PACKAGE]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run([*command, "-d", folder], capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return None
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            return None
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile(MEMBER)
            return member.read() if member else None
