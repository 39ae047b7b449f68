"""What every store of held accounts promises (interfaces/account_holds.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from posthouse.backends.memory.account_holds import MemoryAccountHolds
from posthouse.backends.sqlite.account_holds import SqliteAccountHolds, SqliteAccountHoldsWriter
from posthouse.backends.sqlite.outgoing_schema import open_outgoing_file
from posthouse.interfaces.account_holds import MOST_PLACES, AccountHolds, AccountHoldsWriter
from posthouse.model.account_hold import AccountHold

Pair = tuple[AccountHolds, AccountHoldsWriter]
HOLD = AccountHold(7, "Jane@Example.Test", 100.0, "messages", "61 messages within an hour", "203.0.113.9")
KEPT = replace(HOLD, account="jane@example.test")


@pytest.fixture(params=["memory", "sqlite"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryAccountHolds()
        yield memory, memory
        return
    database = open_outgoing_file(tmp_path / "outgoing.db")
    await database.run(lambda _: None)
    reader = SqliteAccountHolds(tmp_path / "outgoing.db")
    yield reader, SqliteAccountHoldsWriter(database)
    reader.close()
    database.close()


async def test_a_hold_is_found_by_number_and_by_address(both: Pair) -> None:
    reader, writer = both
    assert await writer.hold(HOLD)
    assert await reader.hold_of(7) == KEPT
    assert await reader.is_held("JANE@example.test")
    assert await reader.hold_of(8) is None
    assert not await reader.is_held("omar@example.test")
    assert not await reader.is_held("")


async def test_an_account_is_held_once_and_the_first_reason_stands(both: Pair) -> None:
    reader, writer = both
    assert await writer.hold(HOLD)
    assert not await writer.hold(replace(HOLD, since=200.0, why="later", who="root"))
    assert await reader.holds() == [KEPT]


async def test_a_released_account_is_remembered_and_may_be_held_again(both: Pair) -> None:
    reader, writer = both
    await writer.hold(HOLD)
    assert await writer.release("jane@EXAMPLE.test", "root", 300.0)
    assert not await writer.release("jane@example.test", "root", 301.0)
    assert await reader.hold_of(7) is None
    assert not await reader.is_held("jane@example.test")
    assert await reader.holds() == []
    assert await writer.hold(replace(HOLD, since=400.0))
    ended = replace(KEPT, released_at=300.0, released_by="root")
    assert await reader.holds(past=True) == [replace(KEPT, since=400.0), ended]
    assert await reader.holds(past=True, limit=1) == [replace(KEPT, since=400.0)]


async def test_an_alert_is_only_remembered(both: Pair) -> None:
    reader, writer = both
    alert = replace(HOLD, released_at=100.0, released_by="nobody")
    assert await writer.hold(alert)
    assert await writer.hold(alert)
    assert await reader.hold_of(7) is None
    assert len(await reader.holds(past=True)) == 2
    assert await writer.hold(HOLD)
    assert await writer.hold(alert), "an alert beside a hold"
    assert await reader.hold_of(7) == KEPT


async def test_places_keep_when_they_were_first_and_last_used(both: Pair) -> None:
    reader, writer = both
    assert await writer.came_from(7, ["net 192.0.0.0/16", "client 192.0.2.9"], 10.0) == {
        "net 192.0.0.0/16": (10.0, 10.0),
        "client 192.0.2.9": (10.0, 10.0),
    }
    await writer.came_from(7, ["net 192.0.0.0/16"], 20.0)
    await writer.came_from(8, ["country nl"], 20.0)
    assert await reader.places(7) == {"net 192.0.0.0/16": (10.0, 20.0), "client 192.0.2.9": (10.0, 10.0)}
    assert await reader.places(9) == {}


async def test_the_attack_places_without_end_are_bounded_and_the_newest_kept(both: Pair) -> None:
    reader, writer = both
    for number in range(MOST_PLACES + 30):
        await writer.came_from(7, [f"client {number}"], float(number))
    places = await reader.places(7)
    assert len(places) == MOST_PLACES
    assert min(first_at for first_at, _ in places.values()) == 30.0


async def test_a_hold_is_there_after_the_file_was_opened_anew(tmp_path: Path) -> None:
    first = open_outgoing_file(tmp_path / "outgoing.db")
    await SqliteAccountHoldsWriter(first).hold(HOLD)
    first.close()
    reader = SqliteAccountHolds(tmp_path / "outgoing.db")
    assert await reader.hold_of(7) == KEPT
    reader.close()
