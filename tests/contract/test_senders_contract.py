"""What interfaces/senders.py promises, held against every backend (CON-12)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.senders import MemorySenders
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.senders import SqliteSenders, SqliteSendersWriter
from posthouse.base.errors import Permanent
from posthouse.interfaces.senders import SenderLists, SenderListsWriter
from posthouse.model.address import Address
from posthouse.model.senders import MAX_ENTRIES, MAX_WILDCARDS, SYSTEM_LIST, EntryKind, ListOwner, SenderEntry

JANE, DOMAIN = ListOwner("user", "jane@example.test"), ListOwner("domain", "example.test")


@dataclass(frozen=True)
class Pair:
    """Both sides of one backend."""

    read: SenderLists
    write: SenderListsWriter


@pytest.fixture(params=["memory", "sqlite"])
async def lists(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemorySenders()
        yield Pair(memory, memory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    await database.run(lambda _: None)
    reader = SqliteSenders(tmp_path / "directory.db")
    yield Pair(reader, SqliteSendersWriter(database))
    reader.close()
    database.close()


async def put(lists: Pair, owner: ListOwner, kind: EntryKind, *patterns: str) -> int:
    return await lists.write.add([SenderEntry(owner, kind, pattern, 5.0) for pattern in patterns])


def shown(entries: Sequence[SenderEntry]) -> list[tuple[str, str]]:
    return sorted((entry.kind, entry.pattern) for entry in entries)


async def test_a_look_up_finds_keys_and_all_wildcards_of_one_owner(lists: Pair) -> None:
    await put(lists, JANE, "sender", "a@x.test", "b@x.test", "news-*@x.test")
    await put(lists, JANE, "blocked", "x.test")
    await put(lists, DOMAIN, "sender", "a@x.test")
    found = await lists.read.candidates(JANE, ["a@x.test", "@x.test", "x.test"])
    assert shown(found) == [("blocked", "x.test"), ("sender", "a@x.test"), ("sender", "news-*@x.test")]
    assert {(entry.owner, entry.at) for entry in found} == {(JANE, 5.0)}
    assert shown(await lists.read.candidates(DOMAIN, [])) == []
    assert shown(await lists.read.candidates(SYSTEM_LIST, ["a@x.test"])) == []


async def test_a_change_is_seen_at_once(lists: Pair) -> None:
    assert list(await lists.read.candidates(JANE, ["a@x.test"])) == []
    await put(lists, JANE, "sender", "a@x.test", "*@*.x.test")
    assert len(await lists.read.candidates(JANE, ["a@x.test"])) == 2
    await lists.write.remove(JANE, None, ["*@*.x.test"])
    assert shown(await lists.read.candidates(JANE, ["a@x.test"])) == [("sender", "a@x.test")]


async def test_who_has_entries_is_told_in_order_and_at_once(lists: Pair) -> None:
    owners = (JANE, DOMAIN, SYSTEM_LIST)
    assert list(await lists.read.having(owners)) == []
    await put(lists, SYSTEM_LIST, "blocked", "*.x.test")
    await put(lists, JANE, "sender", "a@x.test")
    assert list(await lists.read.having(owners)) == [JANE, SYSTEM_LIST]
    await lists.write.remove(JANE, None, ["a@x.test"])
    assert list(await lists.read.having(owners)) == [SYSTEM_LIST]


async def test_an_entry_may_be_of_several_kinds_and_is_there_once(lists: Pair) -> None:
    assert await put(lists, JANE, "sender", "a@x.test", "a@x.test") == 1
    assert await put(lists, JANE, "sender", "a@x.test", "b@x.test") == 1
    assert await put(lists, JANE, "blocked", "a@x.test") == 1
    assert await lists.write.remove(JANE, "blocked", ["a@x.test", "c@x.test"]) == 1
    assert shown(await lists.read.candidates(JANE, ["a@x.test"])) == [("sender", "a@x.test")]
    assert await lists.write.remove(JANE, None, ["a@x.test", "b@x.test"]) == 2
    assert await lists.write.remove(JANE, None, ["a@x.test"]) == 0
    assert list(await lists.read.entries(JANE)) == []


async def test_entries_come_in_order_and_page_by_page(lists: Pair) -> None:
    await put(lists, JANE, "sender", "c@x.test", "a@x.test", "b@x.test")
    await put(lists, JANE, "blocked", "b@x.test")
    assert [(e.pattern, e.kind) for e in await lists.read.entries(JANE)] == [
        ("a@x.test", "sender"), ("b@x.test", "blocked"), ("b@x.test", "sender"), ("c@x.test", "sender"),
    ]  # fmt: skip
    assert [e.pattern for e in await lists.read.entries(JANE, kind="sender", limit=2)] == ["a@x.test", "b@x.test"]
    assert [e.pattern for e in await lists.read.entries(JANE, after="b@x.test")] == ["c@x.test"]


async def test_lists_are_bounded_and_a_refused_change_changes_nothing(lists: Pair) -> None:
    await put(lists, JANE, "sender", *(f"a{number}@x.test" for number in range(MAX_ENTRIES - 1)))
    with pytest.raises(Permanent, match="at most"):
        await put(lists, JANE, "sender", "y@y.test", "z@z.test")
    assert list(await lists.read.candidates(JANE, ["y@y.test", "z@z.test"])) == []
    await put(lists, DOMAIN, "sender", *(f"a{number}*@x.test" for number in range(MAX_WILDCARDS)))
    with pytest.raises(Permanent, match="wildcards"):
        await put(lists, DOMAIN, "sender", "b*@x.test")


async def test_thousands_of_entries_cost_a_look_up_nothing(lists: Pair) -> None:
    await put(lists, JANE, "sender", *(f"friend{number}@x{number}.test" for number in range(10_000)))
    await put(lists, JANE, "sender", *(f"news{number}-*@x.test" for number in range(100)))
    keys = ["friend7@x7.test", "@x7.test", "x7.test", "test"]
    await lists.read.candidates(JANE, keys)
    begun = time.process_time()
    for _ in range(20):
        await lists.read.candidates(JANE, keys)
    if isinstance(lists.read, SqliteSenders):
        assert (time.process_time() - begun) / 20 < 0.01


async def test_lists_go_with_their_account_and_domain(tmp_path: Path) -> None:
    database = open_directory_file(tmp_path / "directory.db")
    directory, writer = SqliteDirectoryWriter(database), SqliteSendersWriter(database)
    await directory.add_domain("example.test")
    address = Address.parse("jane@example.test")
    await directory.add_account(address, full_name="", role="user", secret="", scram="")
    reader = SqliteSenders(tmp_path / "directory.db")
    await writer.add([SenderEntry(JANE, "sender", "a@x.test"), SenderEntry(DOMAIN, "sender", "a@x.test")])
    await directory.delete_account(address)
    assert (len(await reader.entries(JANE)), len(await reader.entries(DOMAIN))) == (0, 1)
    await directory.delete_domain("example.test")
    assert len(await reader.entries(DOMAIN)) == 0
    reader.close()
    database.close()
