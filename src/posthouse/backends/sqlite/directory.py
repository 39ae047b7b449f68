"""Reading the internal directory from ``directory.db`` (DIR-1): in every process, on its event loop.

A look-up is an indexed read of some microseconds, or a hit in a small cache; the cache holds as long as SQLite's
``Reading`` says that no other connection has committed, so a change by the writing process is seen at the next
look-up, without notices. Listings, which may be long, run in a thread over a connection of their own.
The writing side is ``directory_writer.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, like_pattern, mail_error, open_reader
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.glob import is_glob
from posthouse.model.account import Account, Alias, Domain, Forward, Role
from posthouse.model.address import Address

Key = TypeVar("Key")
Answer = TypeVar("Answer")

CACHED = 4_096
"""Answers kept of each kind, absent ones too: a few MiB at most. A miss costs microseconds, so more would gain little."""

SELECT_DOMAIN = "SELECT domain_id, name, catch_all, enabled FROM domain "
SELECT_ACCOUNT = (
    "SELECT account_id, domain_id, local, name, full_name, role, account.enabled, secret, scram, forward"
    " FROM account JOIN domain USING (domain_id) "
)
SELECT_ALIAS = "SELECT alias_id, local, name FROM alias JOIN domain USING (domain_id) "
SELECT_MEMBERSHIPS = (
    "SELECT DISTINCT alias.local, name FROM alias_target JOIN alias USING (alias_id) JOIN domain USING (domain_id)"
    " WHERE alias_target.key = ? ORDER BY alias.key"
)
SELECT_OWNED = (
    "SELECT alias.local, name FROM account JOIN alias_owner USING (account_id) JOIN alias USING (alias_id)"
    " JOIN domain ON domain.domain_id = alias.domain_id WHERE account.key = ? ORDER BY alias.key"
)
SELECT_OWNERS = (
    "SELECT account.local, name FROM alias_owner JOIN account USING (account_id) JOIN domain USING (domain_id)"
    " WHERE alias_id = ? ORDER BY account.key"
)
Row = tuple[int | float | bytes | str | None, ...]


class SqliteDirectory:
    """``interfaces.directory.Directory`` over a file that another process, or another connection of this one, writes."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._listings = DatabaseThread(lambda: open_reader(self._file.path, MIGRATIONS), "directory-listings")
        self._domain = lru_cache(CACHED)(self._read_domain)
        self._account = lru_cache(CACHED)(self._read_account)
        self._account_by_id = lru_cache(CACHED)(self._read_account_by_id)
        self._alias = lru_cache(CACHED)(self._read_alias)
        self._memberships = lru_cache(CACHED)(self._read_memberships)
        self._owned = lru_cache(CACHED)(self._read_owned)

    async def domain(self, name: str) -> Domain | None:
        return self._fresh(self._domain, name)

    async def account(self, address: Address) -> Account | None:
        return self._fresh(self._account, address.key)

    async def account_by_id(self, account_id: int) -> Account | None:
        return self._fresh(self._account_by_id, account_id)

    async def alias(self, address: Address) -> Alias | None:
        return self._fresh(self._alias, address.key)

    async def memberships(self, address: Address) -> Sequence[Address]:
        return self._fresh(self._memberships, address.key) or ()

    async def owned(self, address: Address) -> Sequence[Address]:
        return self._fresh(self._owned, address.key) or ()

    async def domains(self) -> Sequence[Domain]:
        return await self._listings.run(lambda db: [domain_of(row) for row in db.execute(SELECT_DOMAIN + "ORDER BY name")])

    async def accounts(
        self, *, pattern: str = "*", domain: str = "", after: str = "", limit: int = 1000, role: Role | None = None
    ) -> Sequence[Account]:
        where, values = _conditions(pattern, domain)
        if after:
            where.append("key > ?")
            values.append(after.lower())
        if role is not None:
            where.append("role = ?")
            values.append(role)
        sql = f"{SELECT_ACCOUNT} WHERE {' AND '.join(where)} ORDER BY key LIMIT ?"
        values.append(max(limit, 0))
        return await self._listings.run(lambda db: [account_of(row) for row in db.execute(sql, values)])

    async def aliases(self, *, pattern: str = "*", domain: str = "", limit: int = 10_000) -> Sequence[Alias]:
        where, values = _conditions(pattern, domain)
        sql = f"{SELECT_ALIAS} WHERE {' AND '.join(where)} ORDER BY key LIMIT ?"
        values.append(max(limit, 0))
        return await self._listings.run(lambda db: [alias_of(db, row) for row in db.execute(sql, values).fetchall()])

    async def login_key(self) -> bytes:
        """32 secret octets of this node, the same in all its processes and after a restart."""
        return await self._listings.run(
            lambda db: cast(bytes, db.execute("SELECT value FROM node_secret WHERE name = 'logins'").get)
        )

    def close(self) -> None:
        """Closes both connections."""
        self._listings.close()
        self._file.close()

    def _fresh(self, read: Callable[[Key], Answer | None], key: Key) -> Answer | None:
        """``read(key)`` through its cache, which is emptied first if anything was committed since the last look-up."""
        try:
            version = self._file.changes()
            if version != self._version:
                for cache in (self._domain, self._account, self._account_by_id, self._alias, self._memberships, self._owned):
                    cache.cache_clear()
                self._version = version
            return read(key)
        except UnicodeEncodeError:
            return None  # lone surrogates: no name here has any
        except apsw.Error as error:
            raise mail_error(error) from error

    def _read_domain(self, name: str) -> Domain | None:
        row = self._file.db.execute(SELECT_DOMAIN + "WHERE name = ? AND enabled", (name,)).fetchone()
        return domain_of(row) if row else None

    def _read_account(self, key: str) -> Account | None:
        row = self._file.db.execute(SELECT_ACCOUNT + "WHERE key = ?", (key,)).fetchone()
        return account_of(row) if row else None

    def _read_account_by_id(self, account_id: int) -> Account | None:
        row = self._file.db.execute(SELECT_ACCOUNT + "WHERE account_id = ?", (account_id,)).fetchone()
        return account_of(row) if row else None

    def _read_alias(self, key: str) -> Alias | None:
        row = self._file.db.execute(SELECT_ALIAS + "WHERE key = ?", (key,)).fetchone()
        return alias_of(self._file.db, row) if row else None

    def _read_memberships(self, key: str) -> tuple[Address, ...]:
        return _addresses(self._file.db, SELECT_MEMBERSHIPS, key)

    def _read_owned(self, key: str) -> tuple[Address, ...]:
        return _addresses(self._file.db, SELECT_OWNED, key)


def domain_of(row: Row) -> Domain:
    """The domain of a row of SELECT_DOMAIN."""
    domain_id, name, catch_all, enabled = row
    return Domain(cast(int, domain_id), cast(str, name), cast(str, catch_all), bool(enabled))


def account_of(row: Row) -> Account:
    """The account of a row of SELECT_ACCOUNT."""
    account_id, domain_id, local, domain, full_name, role, enabled, secret, scram, forward = row
    return Account(
        account_id=cast(int, account_id),
        domain_id=cast(int, domain_id),
        address=Address(cast(str, local), cast(str, domain)),
        full_name=cast(str, full_name),
        role=cast(Role, role),
        enabled=bool(enabled),
        secret=cast(str, secret),
        scram=cast(str, scram),
        forward=forward_of(cast(str, forward)) if forward else None,
    )


def forward_text(forward: Forward | None) -> str:
    """``keep`` or ``move`` and the targets, a line each; "" for none."""
    if forward is None:
        return ""
    return "\n".join(("keep" if forward.keep else "move", *(str(target) for target in forward.targets)))


def forward_of(text: str) -> Forward:
    """What ``forward_text`` wrote."""
    first, *targets = text.split("\n")
    return Forward(tuple(Address.parse(target) for target in targets), first == "keep")


def alias_of(db: apsw.Connection, row: Row) -> Alias:
    """The alias of a row of SELECT_ALIAS; its targets and owners are read from ``db``."""
    alias_id, local, domain = row
    targets = _addresses(db, "SELECT local, domain FROM alias_target WHERE alias_id = ? ORDER BY position", cast(int, alias_id))
    owners = _addresses(db, SELECT_OWNERS, cast(int, alias_id))
    return Alias(Address(cast(str, local), cast(str, domain)), targets, owners)


def _addresses(db: apsw.Connection, sql: str, value: int | str) -> tuple[Address, ...]:
    return tuple(Address(cast(str, local), cast(str, domain)) for local, domain in db.execute(sql, (value,)))


def _conditions(pattern: str, domain: str) -> tuple[list[str], list[str | int]]:
    """Conditions (at least one) of a listing, and their values."""
    where, values = ["TRUE"], list[str | int]()
    if domain:
        where, values = ["name = ?"], [domain]
    pattern = pattern.lower()
    if is_glob(pattern) and pattern.strip("*"):
        where.append("key LIKE ? ESCAPE '\\'")
        values.append(like_pattern(pattern))
    elif not is_glob(pattern):
        where.append("key = ?")
        values.append(pattern)
    return where, values
