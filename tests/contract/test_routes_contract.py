"""What interfaces/routes.py promises, held against every backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.routes import MemoryRoutes
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.backends.sqlite.routes import SqliteRoutes, SqliteRoutesWriter
from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.routes import Routes, RoutesWriter
from posthouse.model.address import Address
from posthouse.model.route import NextHop, Route

JANE = Address.parse("jane@example.test")


@dataclass(frozen=True)
class Pair:
    """Both sides of one backend."""

    read: Routes
    write: RoutesWriter


@pytest.fixture(params=["memory", "sqlite"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    if request.param == "memory":
        memory = MemoryRoutes()
        yield Pair(memory, memory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    reader = SqliteRoutes(tmp_path / "directory.db")
    yield Pair(reader, SqliteRoutesWriter(database))
    reader.close()
    database.close()


async def test_an_address_of_its_own_goes_before_its_domain(table: Pair) -> None:
    assert await table.read.route(JANE) is None
    await table.write.put_route(Route("Example.TEST", NextHop("a.test")))
    assert await table.read.route(JANE) == NextHop("a.test")
    await table.write.put_route(Route("jane@example.test", NextHop("b.test", 24, "lmtp", "required")))
    assert await table.read.route(JANE) == NextHop("b.test", 24, "lmtp", "required")
    assert await table.read.route(Address.parse("omar@example.test")) == NextHop("a.test")
    assert [route.target for route in await table.read.routes()] == ["example.test", "jane@example.test"]


async def test_a_route_is_replaced_and_deleted(table: Pair) -> None:
    await table.write.put_route(Route("example.test", NextHop("a.test")))
    await table.write.put_route(Route("example.test", NextHop("2001:db8::1", 25)))
    assert await table.read.route(JANE) == NextHop("2001:db8::1", 25)
    await table.write.delete_route("example.test")
    assert await table.read.route(JANE) is None
    with pytest.raises(NotFound):
        await table.write.delete_route("example.test")


@pytest.mark.parametrize("target", ["", "two words", "@example.test", "jane@"])
async def test_a_target_that_is_neither_domain_nor_address_is_refused(table: Pair, target: str) -> None:
    with pytest.raises(BadValue):
        await table.write.put_route(Route(target, NextHop("a.test")))
