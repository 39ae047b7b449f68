"""From what users say to lessons: for them and for the site, in the background, bounded (CON-13)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.content import training
from posthouse.content.training import Tools, Trainer
from posthouse.model.mailbox import NewMessage
from posthouse.model.settings import AntispamSettings
from posthouse.model.spam_learning import Lesson
from posthouse.model.summary import Summary
from posthouse.model.teaching import Taught

JANE, OMAR, SITE = 1, 2, 0


@dataclass
class Lessons:
    """Notes what is learnt."""

    learnt: list[tuple[int, bool, int]] = field(default_factory=list)
    down: bool = False

    async def learn(self, lessons: Sequence[Lesson]) -> int:
        if self.down:
            raise Temporary("later", cause="the database is away")
        self.learnt += [(lesson.owner_id, lesson.spam, lesson.tokens[0]) for lesson in lessons]
        return len(lessons)


class School:
    """A store with messages, a trainer and its lessons; a message's one token is the number in its body."""

    def __init__(self, **settings: object) -> None:
        self.clock = ManualClock()
        self.store = MemoryMailStore(clock=self.clock)
        self.lessons = Lessons()
        self.reports: list[tuple[int, bool]] = []
        chosen = AntispamSettings(**settings)  # type: ignore[arg-type]
        tools = Tools(self.store, self.lessons.learn, _number, self.clock, lambda: chosen, self._reported)
        self.trainer = Trainer(tools)

    async def _reported(self, _content: bytes, _summary: Summary, account_id: int, spam: bool) -> None:  # noqa: FBT001
        self.reports.append((account_id, spam))

    async def messages(self, account_id: int, *numbers: int) -> tuple[int, tuple[int, ...]]:
        box = await self.store.mailbox(account_id, "Junk Mail")
        assert box is not None
        contents = [NewMessage(b"From: a@b.test\r\n\r\n%d\r\n" % number) for number in numbers]
        uids = (await self.store.append(box.mailbox_id, contents)).uids
        return box.mailbox_id, tuple(uids)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.trainer.run())
        yield
        await self.trainer.drain(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _number(content: bytes, _summary: Summary) -> tuple[int, ...]:
    return (int(content.rpartition(b"\r\n\r\n")[2]),)


async def test_a_user_teaches_themselves_and_the_site() -> None:
    school = School()
    box, uids = await school.messages(JANE, 41, 42)
    async with school.open():
        school.trainer.note(Taught(JANE, box, uids, spam=True))
        school.trainer.note(Taught(JANE, box, uids[:1], spam=False))
    assert school.lessons.learnt == [
        (JANE, True, 41), (SITE, True, 41), (JANE, True, 42), (SITE, True, 42), (JANE, False, 41), (SITE, False, 41),
    ]  # fmt: skip
    assert school.reports == [(JANE, True), (JANE, True), (JANE, False)]
    assert school.trainer.taught == 6


async def test_the_site_can_be_left_out() -> None:
    school = School(train_site=False)
    box, uids = await school.messages(JANE, 41)
    async with school.open():
        school.trainer.note(Taught(JANE, box, uids, spam=True))
    assert school.lessons.learnt == [(JANE, True, 41)]


async def test_what_has_gone_teaches_nothing_and_stops_nothing() -> None:
    school = School()
    box, uids = await school.messages(JANE, 41, 42)
    await school.store.expunge(box, [uids[0]], unmarked=True)
    async with school.open():
        school.trainer.note(Taught(JANE, 9999, (1,), spam=True))
        school.trainer.note(Taught(JANE, box, uids, spam=True))
    assert [token for _, _, token in school.lessons.learnt] == [42, 42]


async def test_a_database_that_is_away_loses_a_lesson_not_the_trainer() -> None:
    school = School()
    box, uids = await school.messages(JANE, 41, 42)
    async with school.open():
        school.lessons.down = True
        school.trainer.note(Taught(JANE, box, uids[:1], spam=True))
        await school.trainer.drain(5)
        school.lessons.down = False
        school.trainer.note(Taught(JANE, box, uids[1:], spam=True))
    assert [token for _, _, token in school.lessons.learnt] == [42, 42]


async def test_one_account_can_teach_so_much_in_a_day() -> None:
    school = School(max_lessons=3)
    box, uids = await school.messages(JANE, *range(10))
    others, theirs = await school.messages(OMAR, 100)
    async with school.open():
        school.trainer.note(Taught(JANE, box, uids, spam=False))
        school.trainer.note(Taught(JANE, box, uids[5:], spam=False))
        school.trainer.note(Taught(OMAR, others, theirs, spam=True))
    assert [token for owner, _, token in school.lessons.learnt if owner == SITE] == [0, 1, 2, 100]
    school.clock.advance(86_400)
    async with school.open():
        school.trainer.note(Taught(JANE, box, uids[5:], spam=False))
    assert [token for owner, _, token in school.lessons.learnt if owner == SITE] == [0, 1, 2, 100, 5, 6, 7]


async def test_what_waits_is_bounded() -> None:
    school = School()
    for number in range(training.MAX_WAITING + 5):
        school.trainer.note(Taught(JANE, number, (1,), spam=True))
    assert school.trainer.waiting == training.MAX_WAITING


async def test_draining_ends_when_its_time_is_up() -> None:
    school = School()
    school.trainer.note(Taught(JANE, 1, (1,), spam=True))
    await school.trainer.drain(0.05)
    assert school.trainer.waiting == 1


async def test_training_that_is_switched_off_meanwhile_learns_nothing() -> None:
    school = School(train=False)
    box, uids = await school.messages(JANE, 41)
    async with school.open():
        school.trainer.note(Taught(JANE, box, uids, spam=True))
    assert school.lessons.learnt == []
