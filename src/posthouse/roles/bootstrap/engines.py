"""The spam engines that the settings name, made anew when these change (CON-8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from typing import Any

from posthouse.backends.scanners.dcc import DccScorer
from posthouse.backends.scanners.pyzor import PyzorScorer
from posthouse.backends.scanners.rspamd import RspamdScorer
from posthouse.backends.scanners.spamd import SpamdScorer
from posthouse.backends.sqlite.bulk import SqliteBulk
from posthouse.backends.sqlite.bulk_writer import BulkWriter
from posthouse.base.clock import SystemClock
from posthouse.content.bulk.scorer import BulkScorer
from posthouse.interfaces.scorer import Scorer
from posthouse.model.scanners import ScannerPlace
from posthouse.model.settings import AntispamSettings, Settings
from posthouse.roles.bootstrap.bulk import ChosenBulk
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

BuiltIn = Callable[[str], Scorer | None]


def spam_engines(settings: Callable[[], Settings], built_in: BuiltIn) -> Callable[[], Sequence[Scorer]]:
    """``pipeline.scoring.Engines``; ``built_in`` makes those that need no other program, each once."""
    kept: dict[str, Scorer | None] = {}
    made: dict[object, Sequence[Scorer]] = {}

    def one(word: str, wanted: AntispamSettings) -> Scorer | None:
        place = ScannerPlace.parse(word)
        if place.kind == "spamd":
            return SpamdScorer(place, timeout_s=wanted.timeout_s, max_bytes=wanted.max_scored_bytes)
        if place.kind == "rspamd":
            return RspamdScorer(place, timeout_s=wanted.timeout_s, max_bytes=wanted.max_scored_bytes)
        if place.kind == "dcc":
            return DccScorer(place, timeout_s=wanted.timeout_s, max_bytes=wanted.max_scored_bytes)
        if place.kind == "pyzor":
            return PyzorScorer(place, timeout_s=wanted.timeout_s, max_bytes=wanted.max_scored_bytes)
        if word not in kept:
            kept[word] = built_in(word)
        return kept[word]

    def engines() -> Sequence[Scorer]:
        wanted = settings().antispam
        key = (wanted.engines, wanted.timeout_s, wanted.max_scored_bytes)
        if key not in made:
            made.clear()
            made[key] = [engine for word in wanted.engines if (engine := one(word, wanted)) is not None]
        return made[key]

    return engines


def built_in_engine(files: Files, tell: Callable[[Any], None], live: Live, stack: AsyncExitStack, word: str) -> Scorer | None:
    """Those that come with the program; ``tell`` takes sightings of bulk mail."""
    if word == "bulk":
        return BulkScorer(bulk_table(files, tell, live, stack), SystemClock(), lambda: live.settings().antispam)
    return None


def bulk_table(
    files: Files, tell: Callable[[Any], None], live: Live, stack: AsyncExitStack, writer: BulkWriter | None = None
) -> ChosenBulk:
    """Where bulk mail is counted, closed with ``stack``."""
    table = ChosenBulk(live.settings, stack.enter_context(closing(SqliteBulk(files.bulk, tell, writer))))
    stack.push_async_callback(table.close)
    return table
