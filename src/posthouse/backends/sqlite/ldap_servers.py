"""Outside directories in ``directory.db``, each as one document with its password (RTE-2). They are few: readers keep them all,
as long as ``Reading`` says that nothing was committed since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw
import msgspec

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import NotFound
from posthouse.model.outside import LdapServer

_decoder = msgspec.json.Decoder(LdapServer)


class SqliteLdapServers:
    """``interfaces.outside_directory.LdapServers``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._rows: list[str] = []
        self._servers: tuple[LdapServer, ...] = ()

    def servers(self) -> Sequence[LdapServer]:
        with mail_errors():
            version = self._file.changes()
            if version != self._version:
                rows = self._file.db.execute("SELECT document FROM ldap_server ORDER BY position").fetchall()
                documents = [cast(str, document) for (document,) in rows]
                if documents != self._rows:
                    self._servers = tuple(_decoder.decode(document) for document in documents)
                    self._rows = documents
                self._version = version
        return self._servers

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()


class SqliteLdapServersWriter:
    """``interfaces.outside_directory.LdapServersWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def put_server(self, server: LdapServer) -> None:
        document = msgspec.json.encode(server).decode()
        await self._database.write(
            lambda db: db.execute(
                "INSERT INTO ldap_server (name, document) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET document = excluded.document",
                (server.name, document),
            ).fetchall()
        )

    async def delete_server(self, name: str) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM ldap_server WHERE name = ?", (name,))
            if db.changes() == 0:
                raise NotFound(f"no LDAP server {name}")

        await self._database.write(work)
