"""What interfaces/spam_lessons.py promises, held against every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.spam_lessons import MemorySpamLessons
from posthouse.backends.sqlite.spam_lessons import (
    SqliteLessonBook,
    SqliteSpamWeights,
    open_spam_file,
)
from posthouse.interfaces.spam_lessons import LessonBook, SpamLessons, SpamWeights
from posthouse.model.spam import SITE_ID
from posthouse.model.spam_learning import MAX_USER_LESSONS, Lesson

JANE = 7


@dataclass(frozen=True)
class Trio:
    """The sides of one backend: who reads weights, who teaches, who makes weights."""

    read: SpamWeights
    teach: SpamLessons
    book: LessonBook


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Trio]:
    if request.param == "memory":
        memory = MemorySpamLessons()
        yield Trio(memory, memory, memory)
        return
    database = open_spam_file(tmp_path / "spam.db")
    database.open()
    reader, book = SqliteSpamWeights(tmp_path / "spam.db"), SqliteLessonBook(database)
    yield Trio(reader, book, book)
    reader.close()
    database.close()


def lesson(name: str, *, spam: bool, owner: int = SITE_ID, at: float = 1.0, tokens: tuple[int, ...] = (1, 2**32 - 1)) -> Lesson:
    return Lesson(owner, spam, name.encode().ljust(32), tokens, at)


async def test_a_message_is_learnt_once(store: Trio) -> None:
    one = lesson("one", spam=True)
    assert await store.teach.learn([one, one, lesson("two", spam=False)]) == 2
    assert await store.teach.learn([one]) == 0
    learnt = await store.book.learnt(SITE_ID)
    assert (learnt.spam, learnt.ham, learnt.version) == (1, 1, 0)
    assert list(await store.book.lessons(SITE_ID)) == [one, lesson("two", spam=False)]


async def test_a_message_learnt_the_other_way_changes_sides(store: Trio) -> None:
    await store.teach.learn([lesson("one", spam=True)])
    assert await store.teach.learn([lesson("one", spam=False, at=2.0)]) == 1
    learnt = await store.book.learnt(SITE_ID)
    assert (learnt.spam, learnt.ham) == (0, 1)


async def test_owners_learn_apart(store: Trio) -> None:
    await store.teach.learn([lesson("one", spam=True, owner=JANE), lesson("one", spam=False)])
    assert (await store.book.learnt(JANE)).spam == 1
    assert (await store.book.learnt(SITE_ID)).spam == 0
    await store.teach.forget_owner(JANE)
    assert (await store.book.learnt(JANE)).spam == 0
    assert len(await store.book.lessons(SITE_ID)) == 1


async def test_what_was_learnt_can_be_taken_back(store: Trio) -> None:
    await store.teach.learn([lesson("one", spam=True), lesson("two", spam=True)])
    assert await store.teach.unlearn(SITE_ID, [lesson("one", spam=True).digest, b"never seen"]) == 1
    assert (await store.book.learnt(SITE_ID)).spam == 1


async def test_old_lessons_expire(store: Trio) -> None:
    await store.teach.learn([lesson("old", spam=True, at=1.0), lesson("new", spam=True, at=9.0)])
    assert await store.teach.expire(5.0) == 1
    assert [each.at for each in await store.book.lessons(SITE_ID)] == [9.0]
    assert (await store.book.learnt(SITE_ID)).spam == 1


async def test_an_owners_oldest_lessons_of_a_side_go_when_there_are_too_many(store: Trio) -> None:
    many = [lesson(f"n{number}", spam=True, owner=JANE, at=float(number)) for number in range(MAX_USER_LESSONS + 2)]
    await store.teach.learn([lesson("ham", spam=False, owner=JANE, at=0.0), *many])
    kept = await store.book.lessons(JANE)
    assert len(kept) == MAX_USER_LESSONS + 1
    assert next(each.at for each in kept if each.spam) == 2.0
    assert (await store.book.learnt(JANE)).ham == 1


async def test_the_newest_of_each_side_can_be_had(store: Trio) -> None:
    await store.teach.learn([lesson(f"{n} {spam}", spam=spam, at=float(n)) for n in range(5) for spam in (True, False)])
    await store.teach.learn([lesson("jane", spam=True, owner=JANE, at=99.0)])
    assert {(each.spam, each.at) for each in await store.book.newest(SITE_ID, 2)} == {
        (True, 4.0), (True, 3.0), (False, 4.0), (False, 3.0),
    }  # fmt: skip


async def test_weights_are_there_for_readers_when_they_were_kept(store: Trio) -> None:
    assert await store.read.version(SITE_ID) == 0
    assert await store.read.octets(SITE_ID) == b""
    await store.teach.learn([lesson("one", spam=True), lesson("two", spam=False)])
    (waiting,) = await store.book.unfitted()
    await store.book.keep_weights(SITE_ID, b"weights", waiting.changes, 77.0)
    assert await store.read.version(SITE_ID) == 1
    assert await store.read.octets(SITE_ID) == b"weights"
    assert await store.book.unfitted() == []
    assert (await store.book.learnt(SITE_ID)).fitted_at == 77.0


async def test_what_is_taught_while_weights_are_made_makes_them_due_again(store: Trio) -> None:
    await store.teach.learn([lesson("one", spam=True, owner=JANE), lesson("two", spam=True)])
    site, jane = await store.book.unfitted()
    assert (site.owner_id, jane.owner_id) == (SITE_ID, JANE)
    await store.teach.learn([lesson("three", spam=True)])
    await store.book.keep_weights(SITE_ID, b"weights", site.changes, 1.0)
    assert [each.owner_id for each in await store.book.unfitted()] == [SITE_ID, JANE]
    await store.book.keep_weights(SITE_ID, b"more", site.changes + 1, 2.0)
    assert await store.read.version(SITE_ID) == 2
    assert await store.read.octets(SITE_ID) == b"more"
