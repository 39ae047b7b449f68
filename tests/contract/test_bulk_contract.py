"""What interfaces/bulk_signatures.py promises, held against every backend, and the way by which workers tell (CON-9)."""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import redis

from posthouse.backends.memory.bulk import MemoryBulk
from posthouse.backends.postgres.bulk import PostgresBulk
from posthouse.backends.sqlite.bulk import SqliteBulk
from posthouse.backends.sqlite.bulk_writer import BulkWriter
from posthouse.backends.valkey.bulk import ValkeyBulk
from posthouse.base.errors import Permanent, Temporary
from posthouse.interfaces.bulk_signatures import BulkSignatures
from posthouse.model.bulk import SLOT_S, Report, Seen, Sighting
from support.databases import postgres, valkey

NOW = 1_790_000_000.0
HOUR = SLOT_S
BIG = (1 << 63) - 1


@dataclass(frozen=True)
class Table:
    """``one`` and ``other`` are two processes' (or two nodes') views of the same table; ``settle`` waits for what is told."""

    one: BulkSignatures
    other: BulkSignatures
    settle: Callable[[], Awaitable[None]]


@cache
def server(kind: str) -> str:
    """The URL of a server that lives as long as this process."""
    context = postgres() if kind == "postgres" else valkey()
    _, url = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    return url


async def emptied(kind: str) -> str:
    url = server(kind)
    if kind == "valkey":
        redis.Redis.from_url(url).flushall()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            for name in ("bulk_sighting", "bulk_report", "posthouse_schema"):
                connection.execute(f"DROP TABLE IF EXISTS {name}".encode())
    return url


@pytest.fixture(params=["memory", "sqlite", "postgres", "valkey"])
async def table(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Table]:
    if request.param == "memory":
        memory = MemoryBulk()

        async def at_once() -> None:
            return None

        yield Table(memory, memory, at_once)
        return
    if request.param in ("postgres", "valkey"):
        url = await emptied(request.param)
        kind = PostgresBulk if request.param == "postgres" else ValkeyBulk
        nodes = [kind(url) for _ in range(2)]

        async def settle() -> None:
            for node in nodes:
                await node.settle()

        yield Table(nodes[0], nodes[1], settle)
        for node in nodes:
            await node.close()
        return
    writer = BulkWriter(tmp_path / "bulk.db")

    def over_the_gate(payload: Any) -> None:
        writer.told(msgspec.msgpack.decode(msgspec.msgpack.encode(payload)))

    steward = SqliteBulk(tmp_path / "bulk.db", writer.told, writer)
    worker = SqliteBulk(tmp_path / "bulk.db", over_the_gate)
    yield Table(steward, worker, writer.settle)
    steward.close()
    worker.close()
    writer.close()


async def test_counts_of_all_processes_add_up(table: Table) -> None:
    table.one.note(Sighting((1, BIG), 3, 0, NOW))
    table.other.note(Sighting((1, 2), 4, 61, NOW))
    table.other.note(Sighting((1,), 1, 0, NOW - HOUR))
    await table.settle()
    for view in (table.one, table.other):
        found = await view.seen((1, 2, 3, BIG), NOW - 2 * HOUR)
        assert found == {1: Seen(3, 8, 1 | 1 << 61), 2: Seen(1, 4, 1 << 61), BIG: Seen(1, 3, 1)}


async def test_only_the_window_counts(table: Table) -> None:
    table.one.note(Sighting((1,), 1, 0, NOW - 5 * HOUR))
    table.one.note(Sighting((1,), 1, 1, NOW))
    await table.settle()
    assert (await table.one.seen((1,), NOW - 2 * HOUR))[1] == Seen(1, 1, 2)
    assert (await table.one.seen((1,), NOW - 6 * HOUR))[1] == Seen(2, 2, 3)


async def test_each_users_last_word_counts_once(table: Table) -> None:
    for account_id, spam in ((7, True), (8, True), (7, True), (9, False), (8, False)):
        table.other.report(Report((1, 2), account_id, spam, NOW))
        await table.settle()
    found = await table.one.seen((1,), NOW)
    assert found == {1: Seen(called_spam=1, called_ham=2)}


async def test_what_is_old_goes(table: Table) -> None:
    table.one.note(Sighting((1,), 1, 0, NOW - 50 * HOUR))
    table.one.note(Sighting((2,), 1, 0, NOW))
    table.one.report(Report((1,), 7, True, NOW - 50 * HOUR))
    table.one.report(Report((2,), 7, True, NOW))
    await table.settle()
    assert await table.one.expire(NOW - 25 * HOUR, NOW - 25 * HOUR) == 2
    found = await table.one.seen((1, 2), 0)
    assert found == {2: Seen(1, 1, 1, 1, 0)}
    assert await table.one.expire(NOW + 2 * HOUR, NOW - HOUR) == 1
    assert await table.one.seen((2,), 0) == {2: Seen(called_spam=1)}


async def test_a_worker_cannot_expire(tmp_path: Path) -> None:
    worker = SqliteBulk(tmp_path / "bulk.db", lambda _: None)
    with pytest.raises(Permanent):
        await worker.expire(0, 0)


async def test_what_is_not_understood_breaks_nothing(tmp_path: Path) -> None:
    writer = BulkWriter(tmp_path / "bulk.db")
    far = {"keys": [1], "recipients": 1, "client_bit": 99, "at": 1.0}
    for payload in (None, {}, {"keys": ["x"]}, {"account_id": 1}, [1], far):
        writer.told(payload)
    await writer.settle()
    reader = SqliteBulk(tmp_path / "bulk.db", writer.told)
    assert await reader.seen((1,), 0) == {1: Seen(1, 1, 1 << 61)}
    reader.close()
    writer.close()


async def test_a_database_that_is_away_holds_up_nobody_and_says_so() -> None:
    for kind, url in ((PostgresBulk, "postgresql://posthouse@127.0.0.1:1/x"), (ValkeyBulk, "redis://127.0.0.1:1/0")):
        table = kind(url)
        table.note(Sighting((1,), 1, 0, NOW))
        with pytest.raises(Temporary):
            await table.seen((1,), NOW)
        await table.settle()
        await table.close()
