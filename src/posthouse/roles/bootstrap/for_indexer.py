"""What makes the full-text index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from posthouse.backends.room import Room
from posthouse.backends.sqlite.configuration import SqliteConfigurationReader
from posthouse.backends.sqlite.search_indexer import Indexer
from posthouse.mailstore import envelope
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


@asynccontextmanager
async def indexer(config: NodeConfig) -> AsyncIterator[tuple[Indexer, Live, Room]]:
    """What makes the full-text index, with the settings it goes by (``load`` them) and the room it has; the steward is up
    already."""
    files = Files.under(config.data)
    with closing(SqliteConfigurationReader(files.directory)) as configuration:
        live = Live(config.data, configuration.load)
        made = Indexer(files.mail, files.search, envelope.texts, settings=lambda: live.settings().search)
        with closing(made):
            yield made, live, Room(config.data, lambda: live.settings().store.min_free_bytes)
