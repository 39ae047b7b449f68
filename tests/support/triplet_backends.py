"""Every backend of interfaces/triplets.py, opened for a contract test: in memory, embedded, and by way of the gate."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import redis

from posthouse.backends.known_triplets import KnownTriplets, Peek
from posthouse.backends.memory.triplets import MemoryTriplets
from posthouse.backends.postgres.triplets import PostgresTriplets
from posthouse.backends.sqlite.triplet_writer import CALL, TripletWriter, handler
from posthouse.backends.sqlite.triplets import RemoteTripletWriter, SqliteTriplets
from posthouse.backends.valkey.triplets import ValkeyTriplets
from posthouse.base.errors import MailError
from posthouse.interfaces.triplets import Triplets
from posthouse.model.triplet import Outcome, Terms, Triplet
from support.databases import postgres, valkey


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Triplets]:
    yield MemoryTriplets()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Triplets]:
    writer = TripletWriter(folder / "greylist.db")
    triplets = SqliteTriplets(folder / "greylist.db", writer)
    yield triplets
    await triplets.close()
    writer.close()


class Patient(KnownTriplets):
    """Between two questions of a test lie hours: what waits for a second to be told is told by then."""

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        await self.tell()
        return await super().decide(asked, at, terms)


@asynccontextmanager
async def known(folder: Path) -> AsyncIterator[Triplets]:
    """As the steward has it: what is known answers first."""
    writer = TripletWriter(folder / "greylist.db")
    inner = SqliteTriplets(folder / "greylist.db", writer)
    triplets = Patient(inner, Peek(inner.peek, inner.peek_client))
    yield triplets
    await triplets.close()
    writer.close()


class GateTriplets(SqliteTriplets):
    """As a worker has it, with the writing side of the steward beside it for what a worker may not do."""

    def __init__(self, path: Path, writer: TripletWriter) -> None:
        handle = handler(writer)

        async def call(kind: str, payload: Any) -> Any:
            assert kind == CALL
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Any] = loop.create_future()

            def answer(result: Any, error: MailError | None) -> None:
                assert error is None
                loop.call_soon_threadsafe(future.set_result, msgspec.msgpack.decode(msgspec.msgpack.encode(result)))

            handle(msgspec.msgpack.decode(msgspec.msgpack.encode(payload)), answer)
            return await future

        remote = RemoteTripletWriter(call)
        remote.forget = writer.forget  # type: ignore[method-assign]
        remote.settle = writer.settle  # type: ignore[method-assign]
        remote.expire = writer.expire  # type: ignore[method-assign]
        super().__init__(path, remote)


@asynccontextmanager
async def gate(folder: Path) -> AsyncIterator[Triplets]:
    writer = TripletWriter(folder / "greylist.db")
    triplets = GateTriplets(folder / "greylist.db", writer)
    yield triplets
    await triplets.close()
    writer.close()


@asynccontextmanager
async def shared_postgres(_: Path) -> AsyncIterator[Triplets]:
    with psycopg.connect(_postgres_url(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    triplets = PostgresTriplets(_postgres_url())
    yield triplets
    await triplets.close()


@asynccontextmanager
async def shared_valkey(_: Path) -> AsyncIterator[Triplets]:
    redis.Redis.from_url(_valkey_url()).flushall()
    triplets = ValkeyTriplets(_valkey_url())
    yield triplets
    await triplets.close()


@cache
def _valkey_url() -> str:
    server = valkey()
    url = server.__enter__()[1]
    atexit.register(server.__exit__, None, None, None)
    return url


@cache
def _postgres_url() -> str:
    """One server for all tests of a run, ended with it."""
    server = postgres()
    url = server.__enter__()[1]
    atexit.register(server.__exit__, None, None, None)
    return url


BACKENDS: dict[str, Callable[[Path], AbstractAsyncContextManager[Triplets]]] = {
    "memory": memory,
    "sqlite": sqlite,
    "known": known,
    "gate": gate,
    "postgres": shared_postgres,
    "valkey": shared_valkey,
}
