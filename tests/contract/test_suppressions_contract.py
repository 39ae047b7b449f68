"""What every store of suppressed addresses promises (interfaces/suppressions.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.backends.memory.suppressions import MemorySuppressions
from posthouse.backends.sqlite.outgoing_schema import open_outgoing_file
from posthouse.backends.sqlite.suppressions import SqliteSuppressions, SqliteSuppressionsWriter
from posthouse.interfaces.suppressions import Suppression, Suppressions, SuppressionsWriter

DAY = 86_400.0
Pair = tuple[Suppressions, SuppressionsWriter]


@pytest.fixture(params=["memory", "sqlite"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemorySuppressions()
        yield memory, memory
        return
    database = open_outgoing_file(tmp_path / "outgoing.db")
    await database.run(lambda _: None)
    reader = SqliteSuppressions(tmp_path / "outgoing.db")
    yield reader, SqliteSuppressionsWriter(database)
    reader.close()
    database.close()


async def fail(writer: SuppressionsWriter, at: float) -> bool:
    return await writer.failed("Bob@far.test", "550 5.1.1 no such user", at, times=3, within_s=30 * DAY)


async def test_an_address_is_suppressed_after_so_many_failures(both: Pair) -> None:
    reader, writer = both
    assert not await fail(writer, 1 * DAY)
    assert not await fail(writer, 2 * DAY)
    assert await reader.suppressed("bob@far.test") is None
    assert await fail(writer, 3 * DAY)
    assert await reader.suppressed("BOB@far.test") == Suppression("bob@far.test", "550 5.1.1 no such user", 3 * DAY)
    assert not await fail(writer, 4 * DAY)


async def test_old_failures_do_not_count(both: Pair) -> None:
    _, writer = both
    await fail(writer, 1 * DAY)
    await fail(writer, 2 * DAY)
    assert not await fail(writer, 40 * DAY)


async def test_one_success_wipes_failures_out(both: Pair) -> None:
    _, writer = both
    await fail(writer, 1 * DAY)
    await fail(writer, 2 * DAY)
    await writer.succeeded("bob@far.test")
    assert not await fail(writer, 3 * DAY)


async def test_by_hand_on_and_off(both: Pair) -> None:
    reader, writer = both
    await writer.suppress("Eve@far.test", "asked to be", 5.0)
    await writer.suppress("adam@far.test", "complained", 6.0)
    assert [each.address for each in await reader.listing()] == ["adam@far.test", "eve@far.test"]
    assert [each.address for each in await reader.listing(after="adam@far.test")] == ["eve@far.test"]
    assert await writer.allow("eve@far.test")
    assert not await writer.allow("eve@far.test")
    assert await reader.suppressed("eve@far.test") is None
