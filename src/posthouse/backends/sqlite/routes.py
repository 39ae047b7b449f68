"""The routing table in ``directory.db`` (RTE-1). It is small, so readers keep the whole of it, as long as ``Reading`` says
that nothing was committed since; writing goes through the directory's writing thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.directory_checks import checked_route_target
from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import NotFound
from posthouse.model.address import Address
from posthouse.model.route import NextHop, Route


class SqliteRoutes:
    """``interfaces.routes.Routes``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._table: dict[str, NextHop] = {}

    async def route(self, address: Address) -> NextHop | None:
        table = self._fresh()
        return (table.get(address.key) or table.get(address.domain)) if table else None

    async def rest(self, domain: str) -> NextHop | None:
        return self._fresh().get(f"*@{domain}")

    async def names(self, address: Address) -> bool:
        return address.key in self._fresh()

    async def routes(self) -> Sequence[Route]:
        return [Route(target, hop) for target, hop in self._fresh().items()]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _fresh(self) -> dict[str, NextHop]:
        with mail_errors():
            version = self._file.changes()
            if version != self._version:
                rows = self._file.db.execute("SELECT target, next_hop FROM route ORDER BY target").fetchall()
                self._table = {cast(str, target): NextHop.parse(cast(str, hop)) for target, hop in rows}
                self._version = version
        return self._table


class SqliteRoutesWriter:
    """``interfaces.routes.RoutesWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def put_route(self, route: Route) -> None:
        target, hop = checked_route_target(route.target), str(route.next_hop)
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO route (target, next_hop) VALUES (?, ?)", (target, hop)).fetchall()
        )

    async def delete_route(self, target: str) -> None:
        normal = checked_route_target(target)

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM route WHERE target = ?", (normal,))
            if db.changes() == 0:
                raise NotFound(f"no route for {normal}")

        await self._database.write(work)
