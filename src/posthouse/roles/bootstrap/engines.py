"""The spam engines that the settings name, made anew when these change (CON-8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.backends.scanners.rspamd import RspamdScorer
from posthouse.backends.scanners.spamd import SpamdScorer
from posthouse.interfaces.scorer import Scorer
from posthouse.model.scanners import ScannerPlace
from posthouse.model.settings import AntispamSettings, Settings


def spam_engines(settings: Callable[[], Settings]) -> Callable[[], Sequence[Scorer]]:
    """``pipeline.scoring.Engines``."""
    made: dict[object, Sequence[Scorer]] = {}

    def engines() -> Sequence[Scorer]:
        wanted = settings().antispam
        key = (wanted.engines, wanted.timeout_s, wanted.max_scored_bytes)
        if key not in made:
            made.clear()
            made[key] = [engine for word in wanted.engines if (engine := _engine(ScannerPlace.parse(word), wanted)) is not None]
        return made[key]

    return engines


def _engine(place: ScannerPlace, settings: AntispamSettings) -> Scorer | None:
    if place.kind == "spamd":
        return SpamdScorer(place, timeout_s=settings.timeout_s, max_bytes=settings.max_scored_bytes)
    if place.kind == "rspamd":
        return RspamdScorer(place, timeout_s=settings.timeout_s, max_bytes=settings.max_scored_bytes)
    return None
