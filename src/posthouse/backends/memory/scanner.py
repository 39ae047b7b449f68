"""A virus scanner that knows a few words, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from posthouse.base.errors import Temporary
from posthouse.model.scan import WHOLE, EngineFacts, Infection, ScannedMail, ScanReport, reported


class MemoryScanner:
    """``signatures`` are octets with the names of what they are a sign of. ``down``: as if the engine did not run. ``mends``:
    infected parts are given back without the signature. ``scans`` counts; a ``gate`` keeps scans waiting until it is set."""

    def __init__(self, signatures: Mapping[bytes, str], name: str = "memory") -> None:
        self.name = name
        self.facts = EngineFacts("Memory 1", "1", None)
        self.down = False
        self.mends = False
        self.scans = 0
        self.gate: asyncio.Event | None = None
        self._signatures = signatures

    async def scan(self, mail: ScannedMail) -> ScanReport:
        self.scans += 1
        if self.gate is not None:
            await self.gate.wait()
        self._answer()
        infections: list[Infection] = []
        unscanned = []
        cleaned = {}
        for section, octets in [*((part.section, part.read()) for part in mail.parts), (WHOLE, mail.content)]:
            for signature, name in self._signatures.items():
                if signature not in octets:
                    continue
                what = reported(name, section)
                if not isinstance(what, Infection):
                    unscanned.append(what)
                elif section != WHOLE or all(each.name != name for each in infections):
                    infections.append(what)
                    if self.mends:
                        cleaned[section] = octets.replace(signature, b"")
        return ScanReport(tuple(infections), tuple(unscanned), tuple(cleaned.items()))

    async def about(self) -> EngineFacts:
        self._answer()
        return self.facts

    async def close(self) -> None:
        """There is nothing to close."""

    def _answer(self) -> None:
        if self.down:
            raise Temporary("Virus scanner not available, try again later", cause=f"{self.name}: down")
