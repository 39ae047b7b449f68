"""What interfaces/rule_book.py promises, held against every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.rule_book import KEPT, MemoryRuleBook
from posthouse.backends.sqlite.rule_book import SqliteRuleBook, SqliteRuleBookWriter
from posthouse.backends.sqlite.spam_lessons import open_spam_file
from posthouse.base.errors import NotFound
from posthouse.interfaces.rule_book import RuleBook, RuleBookWriter, StoredRules


@dataclass(frozen=True)
class Pair:
    read: RuleBook
    write: RuleBookWriter


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryRuleBook()
        yield Pair(memory, memory)
        return
    database = open_spam_file(tmp_path / "spam.db")
    database.open()
    reader = SqliteRuleBook(tmp_path / "spam.db")
    yield Pair(reader, SqliteRuleBookWriter(database))
    reader.close()
    database.close()


def rules(version: int) -> StoredRules:
    return StoredRules(version, float(version), "/rules", {"default": f"text {version} ü"})


async def test_the_programs_own_rules_are_in_use_at_first(store: Pair) -> None:
    assert await store.read.in_use() is None
    assert [(row.version, row.in_use) for row in await store.write.history()] == [(0, True)]
    assert await store.write.newest() == 0
    with pytest.raises(NotFound):
        await store.write.roll_back()


async def test_readers_see_what_was_taken_over_and_rolled_back(store: Pair) -> None:
    before = await store.read.changes()
    await store.write.take_over(rules(5))
    await store.write.take_over(rules(7))
    assert await store.read.in_use() == rules(7)
    assert (changed := await store.read.changes()) > before
    assert await store.write.roll_back() == rules(5)
    assert await store.read.in_use() == rules(5)
    assert await store.read.changes() > changed
    assert await store.write.newest() == 7, "what was rolled back does not come again by itself"
    assert await store.write.roll_back() is None
    assert await store.read.in_use() is None


async def test_an_update_after_going_back_takes_the_place_of_what_was_left(store: Pair) -> None:
    await store.write.take_over(rules(1))
    await store.write.take_over(rules(2))
    await store.write.roll_back()
    await store.write.take_over(rules(3))
    assert [(row.version, row.in_use) for row in await store.write.history()] == [(3, True), (1, False), (0, False)]


async def test_only_the_last_sets_are_kept(store: Pair) -> None:
    for version in range(1, KEPT + 4):
        await store.write.take_over(rules(version))
    assert len(await store.write.history()) == KEPT + 1
    assert await store.read.in_use() == rules(KEPT + 3)
