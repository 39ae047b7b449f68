"""The zones of block lists in ``directory.db`` (NET-5). There are few, so readers keep them all, as long as nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.block_list import About, Action, BlockListZone, checked_zone

_ALL = "SELECT zone, about, action, points, codes, exempt, enabled FROM block_list ORDER BY zone"


class SqliteBlockListZones:
    """``interfaces.blocklists.BlockListZones``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._zones: tuple[BlockListZone, ...] = ()

    async def zones(self) -> Sequence[BlockListZone]:
        with mail_errors():
            version = self._file.changes()
            if version != self._version:
                zones = tuple(_zone(row) for row in self._file.db.execute(_ALL).fetchall())
                self._zones = self._zones if zones == self._zones else zones
                self._version = version
        return self._zones

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()


class SqliteBlockListZonesWriter:
    """``interfaces.blocklists.BlockListZonesWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def put_zone(self, zone: BlockListZone) -> None:
        try:
            good = checked_zone(zone)
        except ValueError as error:
            raise BadValue(str(error)) from None
        lists = (" ".join(good.codes), " ".join(good.exempt))
        row = (good.zone, good.about, good.action, good.points, *lists, good.enabled)
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO block_list VALUES (?, ?, ?, ?, ?, ?, ?)", row).fetchall()
        )

    async def delete_zone(self, name: str) -> None:
        normal = name.lower().strip(".")

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM block_list WHERE zone = ?", (normal,))
            if db.changes() == 0:
                raise NotFound(f"no block list {normal}")

        await self._database.write(work)


def _zone(row: tuple[object, ...]) -> BlockListZone:
    zone, about, action, points, codes, exempt, enabled = row
    return BlockListZone(
        cast(str, zone),
        cast(About, about),
        cast(Action, action),
        cast(float, points),
        tuple(cast(str, codes).split()),
        tuple(cast(str, exempt).split()),
        bool(enabled),
    )
