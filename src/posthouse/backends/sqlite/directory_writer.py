"""Writing the internal directory into ``directory.db`` (DIR-1, GRP-1): in the steward, or a tool on a stopped node.

Every change is one transaction in the file's writing thread, checked inside it, durable (fsync) when the call returns.
What readers see of it, and when, stands in ``directory.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.directory_checks import checked_catch_all, checked_domain_name, checked_forward, checked_targets
from posthouse.backends.sqlite.database import DatabaseThread, open_writer
from posthouse.backends.sqlite.directory import (
    SELECT_ACCOUNT,
    SELECT_ALIAS,
    SELECT_DOMAIN,
    Row,
    account_of,
    alias_of,
    domain_of,
    forward_text,
)
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.base.errors import AlreadyExists, MailError, NotFound, Permanent
from posthouse.model.account import Account, Alias, Domain, Forward, Leaving, Role
from posthouse.model.address import Address

_PUT_ALIAS = "INSERT INTO alias (domain_id, key, local) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET local = excluded.local"
_DISOWN = "DELETE FROM alias_owner WHERE alias_id = ? AND account_id = (SELECT account_id FROM account WHERE key = ?)"


def open_directory_file(path: Path) -> DatabaseThread:
    """The writing thread of ``directory.db``, shared by SqliteDirectoryWriter and SqliteConfiguration.

    The file is made or brought up to date before it returns. Raises Temporary, NoSpace, Permanent (a newer version's file).
    """
    database = DatabaseThread(lambda: open_writer(path, MIGRATIONS, synchronous="FULL"), "directory-writer")
    try:
        database.open()
    except MailError:
        database.close()
        raise
    return database


class SqliteDirectoryWriter:
    """``interfaces.directory.DirectoryWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def add_domain(self, name: str) -> Domain:
        normal = checked_domain_name(name)

        def work(db: apsw.Connection) -> Domain:
            if db.execute("SELECT 1 FROM domain WHERE name = ?", (normal,)).get is not None:
                raise AlreadyExists(f"domain {normal} exists already")
            db.execute("INSERT INTO domain (name, catch_all, enabled) VALUES (?, '', 1)", (normal,))
            return _domain(db, normal)

        return await self._database.write(work)

    async def change_domain(self, name: str, *, catch_all: str | None = None, enabled: bool | None = None) -> Domain:
        address = None if catch_all is None else checked_catch_all(catch_all)

        def work(db: apsw.Connection) -> Domain:
            domain = _domain(db, name)
            db.execute(
                "UPDATE domain SET catch_all = coalesce(?, catch_all), enabled = coalesce(?, enabled) WHERE domain_id = ?",
                (address, enabled, domain.domain_id),
            )
            return _domain(db, name)

        return await self._database.write(work)

    async def delete_domain(self, name: str) -> None:
        def work(db: apsw.Connection) -> None:
            domain_id = _domain(db, name).domain_id
            accounts = db.execute("SELECT count(*) FROM account WHERE domain_id = ?", (domain_id,)).get
            aliases = db.execute("SELECT count(*) FROM alias WHERE domain_id = ?", (domain_id,)).get
            if accounts or aliases:
                raise Permanent(f"domain {name} still has {accounts} accounts and {aliases} aliases", enhanced="5.3.0")
            db.execute("DELETE FROM domain WHERE domain_id = ?", (domain_id,))

        await self._database.write(work)

    async def add_account(self, address: Address, *, full_name: str, role: Role, secret: str, scram: str) -> Account:
        def work(db: apsw.Connection) -> Account:
            domain_id = _domain(db, address.domain).domain_id
            _refuse_account(db, address)
            if db.execute("SELECT 1 FROM alias WHERE key = ?", (address.key,)).get is not None:
                raise AlreadyExists(f"alias {address} exists already")
            db.execute(
                "INSERT INTO account (domain_id, key, local, full_name, role, enabled, secret, scram)"
                " VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
                (domain_id, address.key, address.local, full_name, role, secret, scram),
            )
            return _account(db, address)

        return await self._database.write(work)

    async def change_account(
        self,
        address: Address,
        *,
        full_name: str | None = None,
        role: Role | None = None,
        enabled: bool | None = None,
        secret: str | None = None,
        scram: str | None = None,
    ) -> Account:
        def work(db: apsw.Connection) -> Account:
            account = _account(db, address)
            db.execute(
                "UPDATE account SET full_name = coalesce(?, full_name), role = coalesce(?, role),"
                " enabled = coalesce(?, enabled), secret = coalesce(?, secret), scram = coalesce(?, scram)"
                " WHERE account_id = ?",
                (full_name, role, enabled, secret, scram, account.account_id),
            )
            return _account(db, address)

        return await self._database.write(work)

    async def put_forward(self, address: Address, forward: Forward | None) -> Account:
        text = forward_text(checked_forward(address, forward))

        def work(db: apsw.Connection) -> Account:
            account = _account(db, address)
            db.execute("UPDATE account SET forward = ? WHERE account_id = ?", (text, account.account_id))
            return _account(db, address)

        return await self._database.write(work)

    async def delete_account(self, address: Address) -> Account:
        def work(db: apsw.Connection) -> Account:
            account = _account(db, address)
            db.execute("DELETE FROM account WHERE account_id = ?", (account.account_id,))
            return account

        return await self._database.write(work)

    async def leaving(self) -> Sequence[Leaving]:
        def work(db: apsw.Connection) -> list[Leaving]:
            rows = db.execute("SELECT account_id, identifier FROM leaving ORDER BY leaving_id")
            return [Leaving(cast(int, account_id), cast(str, identifier)) for account_id, identifier in rows]

        return await self._database.run(work)

    async def left(self, leaving: Leaving) -> None:
        row = (leaving.account_id, leaving.identifier)
        sql = "DELETE FROM leaving WHERE account_id = ? AND identifier = ?"
        await self._database.write(lambda db: db.execute(sql, row))

    async def put_alias(self, address: Address, targets: Sequence[Address]) -> Alias:
        once = checked_targets(address, targets)

        def work(db: apsw.Connection) -> Alias:
            domain_id = _domain(db, address.domain).domain_id
            _refuse_account(db, address)
            db.execute(_PUT_ALIAS, (domain_id, address.key, address.local))
            alias_id = _alias_id(db, address)
            db.execute("DELETE FROM alias_target WHERE alias_id = ?", (alias_id,))
            rows = [(alias_id, position, target.local, target.domain, target.key) for position, target in enumerate(once)]
            db.executemany("INSERT INTO alias_target (alias_id, position, local, domain, key) VALUES (?, ?, ?, ?, ?)", rows)
            return _alias(db, alias_id)

        return await self._database.write(work)

    async def add_owners(self, alias: Address, owners: Sequence[Address]) -> Alias:
        def work(db: apsw.Connection) -> Alias:
            alias_id = _alias_id(db, alias)
            rows = [(alias_id, _account(db, owner).account_id) for owner in owners]
            db.executemany("INSERT INTO alias_owner (alias_id, account_id) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
            return _alias(db, alias_id)

        return await self._database.write(work)

    async def remove_owners(self, alias: Address, owners: Sequence[Address]) -> Alias:
        def work(db: apsw.Connection) -> Alias:
            alias_id = _alias_id(db, alias)
            for owner in owners:
                db.execute(_DISOWN, (alias_id, owner.key))
                if db.changes() == 0:
                    raise NotFound(f"{owner} does not own {alias}")
            return _alias(db, alias_id)

        return await self._database.write(work)

    async def delete_alias(self, address: Address) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM alias WHERE key = ?", (address.key,))
            if db.changes() == 0:
                raise NotFound(f"no alias {address}")
            db.execute("INSERT INTO leaving (account_id, identifier) VALUES (0, ?)", (f"group:{address.key}",))

        await self._database.write(work)


def _domain(db: apsw.Connection, name: str) -> Domain:
    row = db.execute(SELECT_DOMAIN + "WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotFound(f"no domain {name}")
    return domain_of(row)


def _account(db: apsw.Connection, address: Address) -> Account:
    row = db.execute(SELECT_ACCOUNT + "WHERE key = ?", (address.key,)).fetchone()
    if row is None:
        raise NotFound(f"no account {address}")
    return account_of(row)


def _alias_id(db: apsw.Connection, address: Address) -> int:
    row = db.execute("SELECT alias_id FROM alias WHERE key = ?", (address.key,)).fetchone()
    if row is None:
        raise NotFound(f"no alias {address}")
    return cast(int, row[0])


def _alias(db: apsw.Connection, alias_id: int) -> Alias:
    return alias_of(db, cast(Row, db.execute(SELECT_ALIAS + "WHERE alias_id = ?", (alias_id,)).fetchone()))


def _refuse_account(db: apsw.Connection, address: Address) -> None:
    if db.execute("SELECT 1 FROM account WHERE key = ?", (address.key,)).get is not None:
        raise AlreadyExists(f"account {address} exists already")
