"""Terms for spam in ``directory.db`` (interfaces/junk.py). What holds for an address is cached as long as nothing was
committed since.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import NotFound
from posthouse.model.address import Address
from posthouse.model.junk import JunkTerms, TermsOwner, terms_of, terms_owners

CACHED = 4_096
_CLASSES = "SELECT (SELECT cos FROM account WHERE key = ?), (SELECT cos FROM domain WHERE name = ?)"
_EXISTS = {"class": "SELECT 1 FROM class_of_service WHERE name = ?", "domain": "SELECT 1 FROM domain WHERE name = ?"}


class SqliteJunk:
    """``interfaces.junk.JunkBook``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._said = lru_cache(CACHED)(self._read_said)

    async def said(self, recipient: Address) -> Sequence[JunkTerms]:
        with mail_errors():
            version = self._file.changes()
            if version != self._version:
                self._said.cache_clear()
                self._version = version
            return self._said(recipient.key)

    async def terms(self, owner: TermsOwner) -> JunkTerms:
        with mail_errors():
            return self._read(owner)

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _read_said(self, key: str) -> tuple[JunkTerms, ...]:
        recipient = Address(*key.rpartition("@")[::2])
        user_class, domain_class = self._file.db.execute(_CLASSES, (key, recipient.domain)).fetchall()[0]
        owners = terms_owners(recipient, cast(str, user_class or ""), cast(str, domain_class or ""))
        return tuple(terms for owner in owners if (terms := self._read(owner)).said())

    def _read(self, owner: TermsOwner) -> JunkTerms:
        sql = "SELECT terms FROM junk_terms WHERE scope = ? AND owner = ?"
        text = self._file.db.execute(sql, (owner.scope, owner.name)).get
        return terms_of(json.loads(text)) if isinstance(text, str) else JunkTerms()


class SqliteJunkWriter:
    """``interfaces.junk.JunkBookWriter``, in the process that has the writing thread."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def put_terms(self, owner: TermsOwner, terms: JunkTerms) -> None:
        said = terms.said()

        def work(db: apsw.Connection) -> None:
            exists = _EXISTS.get(owner.scope)
            if exists and db.execute(exists, (owner.name,)).get is None:
                raise NotFound(f"no {'class of service' if owner.scope == 'class' else 'domain'} {owner.name}")
            if said:
                values = (owner.scope, owner.name, json.dumps(said))
                db.execute("INSERT OR REPLACE INTO junk_terms (scope, owner, terms) VALUES (?, ?, ?)", values)
            else:
                db.execute("DELETE FROM junk_terms WHERE scope = ? AND owner = ?", (owner.scope, owner.name))

        await self._database.write(work)
