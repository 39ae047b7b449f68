"""What interfaces/api_tokens.py promises, held against every backend; SQLite also by way of the workers' remote writer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from posthouse.backends.memory.api_tokens import MemoryApiTokens
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.sqlite.api_tokens import (
    CALL,
    RemoteApiTokensWriter,
    SqliteApiTokens,
    SqliteApiTokensWriter,
    handler,
)
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent
from posthouse.interfaces.api_tokens import MOST_SESSIONS, MOST_TOKENS, ApiTokens, ApiTokensWriter
from posthouse.interfaces.directory import DirectoryWriter
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.api_token import ApiToken

JANE = Address.parse("jane@example.test")


@dataclass(frozen=True)
class Sides:
    """One backend. ``jane`` has the account."""

    read: ApiTokens
    write: ApiTokensWriter
    directory: DirectoryWriter
    jane: Account

    def token(self, token_id: str, **changes: Any) -> ApiToken:
        made = ApiToken(token_id, "token", self.jane.account_id, f"name of {token_id}", b"digest", ("queue", "user:list"), 10.0)
        return replace(made, **changes)


async def filled(directory: DirectoryWriter) -> Account:
    await directory.add_domain("example.test")
    return await directory.add_account(JANE, full_name="Jane", role="administrator", secret="s", scram="")


@pytest.fixture(params=["memory", "sqlite", "remote"])
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sides]:
    if request.param == "memory":
        directory = MemoryDirectory()
        memory = MemoryApiTokens(directory)
        yield Sides(memory, memory, directory, await filled(directory))
        return
    database = open_directory_file(tmp_path / "directory.db")
    reader, writer = SqliteApiTokens(tmp_path / "directory.db"), SqliteApiTokensWriter(database)
    directory_writer = SqliteDirectoryWriter(database)
    jane = await filled(directory_writer)

    async def call(kind: str, payload: Any) -> Any:
        assert kind == CALL
        return await handler(writer)(msgspec.msgpack.decode(msgspec.msgpack.encode(payload)))

    yield Sides(reader, RemoteApiTokensWriter(call) if request.param == "remote" else writer, directory_writer, jane)
    reader.close()
    database.close()


async def test_a_token_is_kept_as_it_was_made_and_found_by_its_id(sides: Sides) -> None:
    token = sides.token("a", expires_at=99.0, seen_at=10.0)
    await sides.write.add_api_token(token)
    assert await sides.read.api_token("a") == token
    assert await sides.read.api_token("b") is None
    assert list(await sides.read.api_tokens("token")) == [token]
    assert list(await sides.read.api_tokens("session")) == []
    assert "digest" not in repr(token)


async def test_a_name_is_used_once_by_an_account_and_tokens_are_bounded(sides: Sides) -> None:
    await sides.write.add_api_token(sides.token("a", name="nightly"))
    with pytest.raises(AlreadyExists):
        await sides.write.add_api_token(sides.token("b", name="nightly"))
    for number in range(1, MOST_TOKENS):
        await sides.write.add_api_token(sides.token(f"n{number}"))
    with pytest.raises(Permanent, match="at most"):
        await sides.write.add_api_token(sides.token("one-too-many"))
    assert await sides.read.api_token("one-too-many") is None


async def test_sessions_that_are_over_go_and_of_too_many_the_one_seen_longest_ago(sides: Sides) -> None:
    await sides.write.add_api_token(sides.token("over", kind="session", seen_at=50.0, expires_at=90.0))
    for number in range(MOST_SESSIONS):
        session = sides.token(f"s{number:02}", kind="session", made_at=100.0, seen_at=100.0 + number, expires_at=900.0)
        await sides.write.add_api_token(session)
    assert await sides.read.api_token("over") is None
    await sides.write.seen_api_token("s00", 500.0, 950.0)
    await sides.write.add_api_token(sides.token("new", kind="session", made_at=600.0, seen_at=600.0, expires_at=900.0))
    left = {each.token_id: each for each in await sides.read.api_tokens("session")}
    assert set(left) == {"new", "s00", *(f"s{number:02}" for number in range(2, MOST_SESSIONS))}
    assert (left["s00"].seen_at, left["s00"].expires_at) == (500.0, 950.0)


async def test_a_token_that_was_deleted_is_gone_and_does_not_come_back(sides: Sides) -> None:
    await sides.write.add_api_token(sides.token("a"))
    assert await sides.write.delete_api_token("a")
    assert not await sides.write.delete_api_token("a")
    await sides.write.seen_api_token("a", 5.0, 9.0)
    assert await sides.read.api_token("a") is None


async def test_a_token_goes_with_its_account_and_none_is_made_for_nobody(sides: Sides) -> None:
    await sides.write.add_api_token(sides.token("a"))
    await sides.directory.delete_account(JANE)
    assert await sides.read.api_token("a") is None
    assert list(await sides.read.api_tokens("token")) == []
    with pytest.raises(NotFound):
        await sides.write.add_api_token(sides.token("b"))


async def test_the_stewards_end_takes_nothing_else() -> None:
    with pytest.raises(BadValue):
        await handler(SqliteApiTokensWriter(None))(["drop", 1])  # type: ignore[arg-type]
