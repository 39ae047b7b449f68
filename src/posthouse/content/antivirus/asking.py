"""Asks virus engines, and remembers their answers a while, so that a mass mailing is scanned once (CON-5).

VirusEngines come and go with the settings; a client is kept for each that is named now. Memory is bounded: answers with cleaned
octets are not kept, of the others the oldest go first. Failures are not remembered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache

from posthouse.base.clock import Clock
from posthouse.interfaces.scanner import MakeScanner, Scanner
from posthouse.model.scan import EngineFacts, ScannedMail, ScanReport
from posthouse.model.virus_engine import VirusEngine

MAX_REMEMBERED = 10_000


@lru_cache(maxsize=64)
def engines_named(texts: tuple[str, ...]) -> tuple[VirusEngine, ...]:
    """The engines of the setting; it was checked when it was set."""
    return tuple(VirusEngine.parse(text) for text in texts)


_Key = tuple[VirusEngine, bytes]


class VirusEngines:
    """One per process. ``remember_s`` of a call says how old a remembered answer may be."""

    def __init__(self, make: MakeScanner, clock: Clock, max_remembered: int = MAX_REMEMBERED) -> None:
        self._make = make
        self._clock = clock
        self._max_remembered = max_remembered
        self._scanners: dict[VirusEngine, Scanner] = {}
        self._known: OrderedDict[_Key, tuple[float, ScanReport]] = OrderedDict()
        self._asked: dict[_Key, asyncio.Task[ScanReport]] = {}

    async def scan(self, engine: VirusEngine, mail: ScannedMail, likeness: bytes, remember_s: float) -> tuple[ScanReport, bool]:
        """The engine's report, and whether it was remembered from a message with the same ``likeness``; who comes while the
        engine is still at it waits for the same answer. Raises Temporary."""
        if remember_s <= 0:
            return await self._scanner(engine).scan(mail), False
        key = (engine, likeness)
        known = self._known.get(key)
        if known is not None and self._clock.steady() - known[0] < remember_s:
            return known[1], True
        asked = self._asked.get(key)
        if asked is not None:
            return await asyncio.shield(asked), True
        asked = self._asked[key] = asyncio.create_task(self._scanner(engine).scan(mail))
        asked.add_done_callback(lambda done: self._answered(key, done))
        return await asyncio.shield(asked), False

    def _answered(self, key: _Key, done: asyncio.Task[ScanReport]) -> None:
        self._asked.pop(key, None)
        if done.cancelled() or done.exception() is not None or done.result().cleaned:
            return
        self._known[key] = (self._clock.steady(), done.result())
        self._known.move_to_end(key)
        if len(self._known) > self._max_remembered:
            self._known.popitem(last=False)

    async def about(self, engine: VirusEngine) -> EngineFacts:
        """Its versions. Raises Temporary."""
        return await self._scanner(engine).about()

    def forget(self) -> None:
        """What was remembered counts no more: there are newer patterns."""
        self._known.clear()

    async def keep_only(self, engines: Iterable[VirusEngine]) -> None:
        """Closes clients of engines that are not named any more."""
        named = set(engines)
        for engine in [each for each in self._scanners if each not in named]:
            await self._scanners.pop(engine).close()

    async def close(self) -> None:
        """Closes all clients."""
        await self.keep_only(())

    def _scanner(self, engine: VirusEngine) -> Scanner:
        scanner = self._scanners.get(engine)
        if scanner is None:
            scanner = self._scanners[engine] = self._make(engine)
        return scanner
