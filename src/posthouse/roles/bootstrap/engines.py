"""The spam engines that the settings name, made anew when these change (CON-8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import Any

from posthouse.backends.scanners.dcc import DccScorer
from posthouse.backends.scanners.pyzor import PyzorScorer
from posthouse.backends.scanners.rspamd import RspamdScorer
from posthouse.backends.scanners.spamd import SpamdScorer
from posthouse.backends.sqlite.bulk import SqliteBulk
from posthouse.backends.sqlite.bulk_writer import BulkWriter
from posthouse.base.clock import SystemClock
from posthouse.content.bulk.scorer import BulkScorer
from posthouse.interfaces.blocklists import BlockLists
from posthouse.interfaces.scorer import Scorer
from posthouse.model.scanners import ScannerPlace
from posthouse.model.settings import AntispamSettings
from posthouse.roles.bootstrap.bulk import ChosenBulk
from posthouse.roles.bootstrap.scorer import embedded_scorer
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

OUTSIDE: dict[str, Callable[..., Scorer]] = {
    "spamd": SpamdScorer,
    "rspamd": RspamdScorer,
    "dcc": DccScorer,
    "pyzor": PyzorScorer,
}
"""Engines that are other programs."""


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What engines of one process are made of. ``tell_bulk`` takes sightings of bulk mail."""

    files: Files
    live: Live
    block_lists: BlockLists
    tell_bulk: Callable[[Any], None]
    stack: AsyncExitStack


def spam_engines(parts: EngineParts) -> Callable[[], Sequence[Scorer]]:
    """``pipeline.scoring.Engines``; those that come with the program are made once."""
    kept: dict[str, Scorer] = {}
    made: dict[object, Sequence[Scorer]] = {}

    def one(word: str, wanted: AntispamSettings) -> Scorer:
        place = ScannerPlace.parse(word)
        outside = OUTSIDE.get(place.kind)
        if outside is not None:
            return outside(place, timeout_s=wanted.timeout_s, max_bytes=wanted.max_scored_bytes)
        if word not in kept:
            kept[word] = (
                _bulk(parts) if word == "bulk" else embedded_scorer(parts.files, parts.live, parts.block_lists, parts.stack)
            )
        return kept[word]

    def engines() -> Sequence[Scorer]:
        wanted = parts.live.settings().antispam
        key = (wanted.engines, wanted.timeout_s, wanted.max_scored_bytes)
        if key not in made:
            made.clear()
            made[key] = [one(word, wanted) for word in dict.fromkeys(wanted.engines)]
        return made[key]

    return engines


def _bulk(parts: EngineParts) -> BulkScorer:
    table = bulk_table(parts.files, parts.tell_bulk, parts.live, parts.stack)
    return BulkScorer(table, SystemClock(), lambda: parts.live.settings().antispam)


def bulk_table(
    files: Files, tell: Callable[[Any], None], live: Live, stack: AsyncExitStack, writer: BulkWriter | None = None
) -> ChosenBulk:
    """Where bulk mail is counted, closed with ``stack``."""
    table = ChosenBulk(live.settings, stack.enter_context(closing(SqliteBulk(files.bulk, tell, writer))))
    stack.push_async_callback(table.close)
    return table
