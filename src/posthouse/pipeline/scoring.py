"""Asks the spam engines in series (CON-8): those elsewhere within their time, none again and again while it is down.

Failing: an engine that cannot answer leaves a report that says so; what follows is the stage's setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.base.metrics import SPAM_SCANS
from posthouse.interfaces.scorer import Scorer
from posthouse.model.settings import Settings
from posthouse.model.spam import ScoredMail, SpamReport
from posthouse.pipeline.breaker import Breaker, Rest

Engines = Callable[[], Sequence[Scorer]]
"""Those of the settings, in order; the same objects as long as the settings are the same."""
_scanned = lru_cache(SPAM_SCANS.labels)


class Scoring:
    """One per process; it remembers which engine is down."""

    def __init__(self, engines: Engines, clock: Clock, settings: Callable[[], Settings]) -> None:
        self._engines = engines
        self._clock = clock
        self._settings = settings
        self._breakers: dict[Scorer, Breaker] = {}

    async def reports(self, mail: ScoredMail, timeout_s: float) -> Sequence[SpamReport]:
        """What each engine says, in order."""
        engines = self._engines()
        elsewhere = [engine for engine in engines if not engine.is_here]
        if self._breakers.keys() != set(elsewhere):
            known = self._breakers
            self._breakers = {engine: known.get(engine) or self._breaker(engine) for engine in elsewhere}
        return [await self._report(engine, mail, timeout_s) for engine in engines]

    def _breaker(self, engine: Scorer) -> Breaker:
        return Breaker(f"antispam-{engine.name}", self._clock, _unheard, self._rest)

    def _rest(self) -> Rest:
        chosen = self._settings().antispam
        return Rest(chosen.rest_after_failures, chosen.rest_s)

    async def _report(self, engine: Scorer, mail: ScoredMail, timeout_s: float) -> SpamReport:
        try:
            if engine.is_here:
                report = await engine.score(mail)
            else:
                report = await self._breakers[engine].call(partial(engine.score, mail), timeout_s)
        except MailError as error:
            _scanned(engine.name, "failed").inc()
            return SpamReport(engine.name, (), error.cause or error.public)
        _scanned(engine.name, "answered").inc()
        return report


def _unheard(_back: bool) -> None:  # noqa: FBT001 - what breakers call
    """The log has it, and the trace of each message."""
