"""What every list of outside directories promises (interfaces/outside_directory.py): the database's and the one of tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from posthouse.backends.memory.outside_directory import MemoryLdapServers
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.backends.sqlite.ldap_servers import SqliteLdapServers, SqliteLdapServersWriter
from posthouse.base.errors import NotFound
from posthouse.interfaces.outside_directory import LdapServers, LdapServersWriter
from posthouse.model.outside import LdapServer

FULL = LdapServer(
    "full", ("ldaps://a.test", "ldap://b.test:1389"), "dc=full", "cn=us", "s3cret", "starttls", False, "/etc/ca.pem", "one",
    "active-directory", "(mail=%s)", "(dc=%d)", {"host": ("a", "b")}, ("x.test",), ("masquerade",), "y.test",
)  # fmt: skip
PLAIN = LdapServer("plain", ("ldap://c.test",), "dc=plain")


class Pair(NamedTuple):
    read: LdapServers
    write: LdapServersWriter


@pytest.fixture(params=["memory", "sqlite"])
async def book(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryLdapServers()
        yield Pair(memory, memory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    await database.run(lambda _: None)
    reading = SqliteLdapServers(tmp_path / "directory.db")
    yield Pair(reading, SqliteLdapServersWriter(database))
    reading.close()
    database.close()


async def turn() -> None:
    """What was committed shows in the next turn of the loop."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_at_first_there_is_none(book: Pair) -> None:
    assert list(book.read.servers()) == []
    with pytest.raises(NotFound):
        await book.write.delete_server("full")


async def test_everything_that_was_said_comes_back_in_the_order_of_adding(book: Pair) -> None:
    for server in (PLAIN, FULL):
        await book.write.put_server(server)
    await turn()
    assert list(book.read.servers()) == [PLAIN, FULL]
    changed = LdapServer("plain", ("ldap://d.test",), "dc=other")
    await book.write.put_server(changed)
    await turn()
    assert list(book.read.servers()) == [changed, FULL], "a change keeps its place"
    await book.write.delete_server("plain")
    await book.write.put_server(PLAIN)
    await turn()
    assert list(book.read.servers()) == [FULL, PLAIN]


async def test_while_nothing_changes_it_is_the_same_object(book: Pair) -> None:
    await book.write.put_server(FULL)
    await turn()
    before = book.read.servers()
    await turn()
    assert book.read.servers() is before
