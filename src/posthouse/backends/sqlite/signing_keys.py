"""Signing keys in ``directory.db`` (interfaces/signing_keys.py), which only the node's user may read.

Reading keeps the active keys in memory as long as the file stays unchanged, like the routing table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import AlreadyExists, NotFound
from posthouse.model.signing_key import Algorithm, KeyState, SigningKey

_SELECT = (
    "SELECT name, selector, algorithm, state, public_key, changed_at, private_key"
    " FROM signing_key JOIN domain USING (domain_id) ORDER BY name, selector"
)


class SqliteSigningKeys:
    """``interfaces.signing_keys.SigningKeys``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._keys: tuple[SigningKey, ...] = ()
        self._active: dict[str, tuple[SigningKey, ...]] = {}

    async def active_keys(self, domain: str) -> Sequence[SigningKey]:
        self._refresh()
        return self._active.get(domain, ())

    async def signing_keys(self, domain: str = "") -> Sequence[SigningKey]:
        self._refresh()
        return [key for key in self._keys if domain in ("", key.domain)]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _refresh(self) -> None:
        with mail_errors():
            version = self._file.changes()
            if version == self._version:
                return
            self._keys = tuple(_key_of(row) for row in self._file.db.execute(_SELECT))
            self._version = version
        active: dict[str, list[SigningKey]] = {}
        for key in self._keys:
            if key.state == "active":
                active.setdefault(key.domain, []).append(key)
        self._active = {domain: tuple(keys) for domain, keys in active.items()}


class SqliteSigningKeysWriter:
    """``interfaces.signing_keys.SigningKeysWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def add_signing_key(self, key: SigningKey) -> None:
        def work(db: apsw.Connection) -> None:
            domain_id = _domain_id(db, key.domain)
            held = "SELECT 1 FROM signing_key WHERE domain_id = ? AND selector = ?"
            if db.execute(held, (domain_id, key.selector)).get is not None:
                raise AlreadyExists(f"{key.domain} has a key {key.selector} already")
            db.execute(
                "INSERT INTO signing_key (domain_id, selector, algorithm, state, public_key, changed_at, private_key)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (domain_id, key.selector, key.algorithm, key.state, key.public_key, key.changed_at, key.private_key),
            )

        await self._database.write(work)

    async def change_signing_keys(self, domain: str, states: Sequence[tuple[str, KeyState]], *, at: float) -> None:
        def work(db: apsw.Connection) -> None:
            domain_id = _domain_id(db, domain)
            for selector, state in states:
                sql = "UPDATE signing_key SET state = ?, changed_at = ? WHERE domain_id = ? AND selector = ?"
                db.execute(sql, (state, at, domain_id, selector))
                if db.changes() == 0:
                    raise NotFound(f"{domain} has no key {selector}")

        await self._database.write(work)

    async def delete_signing_key(self, domain: str, selector: str) -> None:
        def work(db: apsw.Connection) -> None:
            domain_id = _domain_id(db, domain)
            db.execute("DELETE FROM signing_key WHERE domain_id = ? AND selector = ?", (domain_id, selector))
            if db.changes() == 0:
                raise NotFound(f"{domain} has no key {selector}")

        await self._database.write(work)


def _domain_id(db: apsw.Connection, domain: str) -> int:
    found = db.execute("SELECT domain_id FROM domain WHERE name = ?", (domain,)).get
    if found is None:
        raise NotFound(f"no domain {domain}")
    return cast(int, found)


def _key_of(row: tuple[object, ...]) -> SigningKey:
    domain, selector, algorithm, state, public_key, changed_at, private_key = row
    return SigningKey(
        domain=cast(str, domain),
        selector=cast(str, selector),
        algorithm=cast(Algorithm, algorithm),
        state=cast(KeyState, state),
        public_key=cast(str, public_key),
        changed_at=cast(float, changed_at),
        private_key=cast(bytes, private_key),
    )
