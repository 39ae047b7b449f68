"""Limits at rest in ``directory.db`` (interfaces/limits.py): those of users and domains in their rows, classes in a table.

Reading is cached as the directory's look-ups are: as long as ``Reading`` says that nothing was committed since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_error, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import NotFound, Permanent
from posthouse.model.address import Address
from posthouse.model.limits import ClassOfService, DomainTerms, Limits, Sources, UserTerms, checked_class_name

CACHED = 4_096
_SOURCES = (
    "SELECT d.domain_id, a.limits, ac.limits, d.limits, dc.limits, d.quota_bytes, d.quota_messages"
    " FROM account AS a JOIN domain AS d USING (domain_id)"
    " LEFT JOIN class_of_service AS ac ON ac.name = a.cos LEFT JOIN class_of_service AS dc ON dc.name = d.cos"
    " WHERE account_id = ?"
)


class SqliteLimits:
    """``interfaces.limits.LimitBook``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._sources = lru_cache(CACHED)(self._read_sources)

    async def sources(self, account_id: int) -> Sources | None:
        try:
            version = self._file.changes()
            if version != self._version:
                self._sources.cache_clear()
                self._version = version
            return self._sources(account_id)
        except apsw.Error as error:
            raise mail_error(error) from error

    async def user_terms(self, address: Address) -> UserTerms:
        with mail_errors():
            row = self._file.db.execute("SELECT cos, limits FROM account WHERE key = ?", (address.key,)).fetchone()
        if row is None:
            raise NotFound(f"no account {address}")
        return UserTerms(cast(str, row[0]), _limits(row[1]))

    async def domain_terms(self, name: str) -> DomainTerms:
        sql = "SELECT cos, limits, quota_bytes, quota_messages FROM domain WHERE name = ?"
        with mail_errors():
            row = self._file.db.execute(sql, (name,)).fetchone()
        if row is None:
            raise NotFound(f"no domain {name}")
        return DomainTerms(cast(str, row[0]), _limits(row[1]), cast(int, row[2]), cast(int, row[3]))

    async def classes(self) -> Sequence[ClassOfService]:
        with mail_errors():
            rows = self._file.db.execute("SELECT name, limits FROM class_of_service ORDER BY name").fetchall()
        return [ClassOfService(cast(str, name), _limits(text)) for name, text in rows]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _read_sources(self, account_id: int) -> Sources | None:
        row = self._file.db.execute(_SOURCES, (account_id,)).fetchone()
        if row is None:
            return None
        said = tuple(limits for limits in map(_limits, row[1:5]) if limits.said())
        return Sources(cast(int, row[0]), said, cast(int, row[5]), cast(int, row[6]))


class SqliteLimitsWriter:
    """``interfaces.limits.LimitBookWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def put_class(self, name: str, limits: Limits) -> ClassOfService:
        normal = checked_class_name(name)
        sql = "INSERT OR REPLACE INTO class_of_service (name, limits) VALUES (?, ?)"
        await self._database.write(lambda db: db.execute(sql, (normal, _text(limits))).fetchall())
        return ClassOfService(normal, limits)

    async def delete_class(self, name: str) -> None:
        def work(db: apsw.Connection) -> None:
            users = db.execute("SELECT count(*) FROM account WHERE cos = ?", (name,)).get
            domains = db.execute("SELECT count(*) FROM domain WHERE cos = ?", (name,)).get
            if users or domains:
                raise Permanent(f"the class {name} is that of {users} users and {domains} domains", enhanced="5.3.0")
            db.execute("DELETE FROM class_of_service WHERE name = ?", (name,))
            if db.changes() == 0:
                raise NotFound(f"no class of service {name}")

        await self._database.write(work)

    async def put_user_terms(self, address: Address, terms: UserTerms) -> None:
        sql = "UPDATE account SET cos = ?, limits = ? WHERE key = ?"
        values = (terms.cos, _text(terms.limits), address.key)
        await self._database.write(_putting(terms.cos, sql, values, f"no account {address}"))

    async def put_domain_terms(self, name: str, terms: DomainTerms) -> None:
        sql = "UPDATE domain SET cos = ?, limits = ?, quota_bytes = ?, quota_messages = ? WHERE name = ?"
        values = (terms.cos, _text(terms.limits), terms.quota_bytes, terms.quota_messages, name)
        await self._database.write(_putting(terms.cos, sql, values, f"no domain {name}"))


def _putting(cos: str, sql: str, values: tuple[str | int, ...], missing: str) -> Callable[[apsw.Connection], None]:
    def work(db: apsw.Connection) -> None:
        if cos and db.execute("SELECT 1 FROM class_of_service WHERE name = ?", (cos,)).get is None:
            raise NotFound(f"no class of service {cos}")
        db.execute(sql, values)
        if db.changes() == 0:
            raise NotFound(missing)

    return work


def _text(limits: Limits) -> str:
    said = limits.said()
    return json.dumps(said) if said else ""


def _limits(text: object) -> Limits:
    """Names that this version does not know are left out."""
    known = json.loads(text) if isinstance(text, str) and text else {}
    return Limits().changed({name: value for name, value in known.items() if name in Limits.__dataclass_fields__})
