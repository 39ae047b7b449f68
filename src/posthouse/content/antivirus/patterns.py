"""How old each engine's patterns are, and when newer ones are due (CON-5). Asked by the steward and by operations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim

from posthouse.base.clock import Clock
from posthouse.base.errors import Temporary
from posthouse.base.metrics import PATTERN_AGE
from posthouse.content.antivirus.asking import VirusEngines, engines_named
from posthouse.model.scan import EngineFacts
from posthouse.model.settings import AntivirusSettings
from posthouse.model.virus_engine import VirusEngine


@dataclass(frozen=True, slots=True)
class EngineState:
    """``trouble`` says why the engine does not answer, "" if it does. ``age_s`` is that of its patterns, None if unknown;
    ``is_old`` whether that is more than the settings allow."""

    engine: VirusEngine
    facts: EngineFacts
    trouble: str = ""
    age_s: float | None = None
    is_old: bool = False


class PatternWatch:
    """Asks the engines that the settings name."""

    def __init__(self, engines: VirusEngines, settings: Callable[[], AntivirusSettings], clock: Clock) -> None:
        self._engines = engines
        self._settings = settings
        self._clock = clock

    async def look(self) -> Sequence[EngineState]:
        """All of them side by side; those that do not answer say so. Sets the metric."""
        named = engines_named(self._settings().engines)
        await self._engines.keep_only(named)
        return await asyncio.gather(*(self._state(engine) for engine in named))

    async def _state(self, engine: VirusEngine) -> EngineState:
        try:
            facts = await self._engines.about(engine)
        except Temporary as error:
            return EngineState(engine, EngineFacts(""), error.cause or error.public)
        if facts.patterns_at is None:
            return EngineState(engine, facts)
        age_s = max(0.0, self._clock.now() - facts.patterns_at)
        PATTERN_AGE.labels(engine.name).set(age_s)
        most_s = self._settings().max_pattern_age_s
        return EngineState(engine, facts, age_s=age_s, is_old=bool(most_s) and age_s > most_s)


class Schedule:
    """When something is due by a text as cron writes it, in UTC. What was missed while nobody asked is due once."""

    def __init__(self) -> None:
        self._text = ""
        self._next: float | None = None

    def due(self, text: str, now: float) -> bool:
        """Whether it is due by now; then not again before its next time."""
        if text != self._text:
            self._text, self._next = text, _following(text, now)
        if self._next is None or now < self._next:
            return False
        self._next = _following(text, now)
        return True


def _following(text: str, now: float) -> float | None:
    if not text:
        return None
    found = next(CronSim(text, datetime.fromtimestamp(now, UTC)), None)
    return found.timestamp() if found is not None else None
