"""Lessons and weights of the spam scorer in memory (interfaces/spam_lessons.py), for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posthouse.model.spam_learning import MAX_LESSON_TOKENS, Learnt, Lesson, max_lessons


class MemorySpamLessons:
    """``interfaces.spam_lessons.LessonBook``."""

    def __init__(self) -> None:
        self._lessons: dict[int, dict[bytes, Lesson]] = {}
        self._learnt: dict[int, Learnt] = {}
        self._octets: dict[int, bytes] = {}

    async def version(self, owner_id: int) -> int:
        return (await self.learnt(owner_id)).version

    async def octets(self, owner_id: int) -> bytes:
        return self._octets.get(owner_id, b"")

    async def learn(self, lessons: Sequence[Lesson]) -> int:
        count = 0
        for lesson in lessons:
            known = self._lessons.setdefault(lesson.owner_id, {})
            before = known.get(lesson.digest)
            if before is not None and before.spam == lesson.spam:
                continue
            known.pop(lesson.digest, None)
            known[lesson.digest] = replace(lesson, tokens=lesson.tokens[:MAX_LESSON_TOKENS])
            self._drop_oldest(lesson.owner_id, spam=lesson.spam)
            self._changed(lesson.owner_id)
            count += 1
        return count

    async def unlearn(self, owner_id: int, digests: Sequence[bytes]) -> int:
        known = self._lessons.get(owner_id, {})
        count = sum(known.pop(digest, None) is not None for digest in digests)
        if count:
            self._changed(owner_id, count)
        return count

    async def expire(self, before: float) -> int:
        count = 0
        for owner_id, known in self._lessons.items():
            old = [digest for digest, lesson in known.items() if lesson.at < before]
            count += await self.unlearn(owner_id, old)
        return count

    async def forget_owner(self, owner_id: int) -> None:
        self._lessons.pop(owner_id, None)
        self._octets.pop(owner_id, None)
        self._learnt.pop(owner_id, None)

    async def learnt(self, owner_id: int) -> Learnt:
        return self._learnt.get(owner_id, Learnt(owner_id))

    async def unfitted(self) -> Sequence[Learnt]:
        waiting = [learnt for learnt in self._learnt.values() if learnt.changes != learnt.fitted]
        return sorted(waiting, key=lambda learnt: learnt.owner_id)

    async def lessons(self, owner_id: int) -> Sequence[Lesson]:
        return sorted(self._lessons.get(owner_id, {}).values(), key=lambda lesson: lesson.at)

    async def newest(self, owner_id: int, count: int) -> Sequence[Lesson]:
        everything = list(reversed(await self.lessons(owner_id)))
        return [each for spam in (True, False) for each in [one for one in everything if one.spam is spam][:count]]

    async def keep_weights(self, owner_id: int, octets: bytes, changes: int, at: float) -> None:
        learnt = await self.learnt(owner_id)
        self._octets[owner_id] = octets
        self._learnt[owner_id] = replace(learnt, fitted=changes, fitted_at=at, version=learnt.version + 1)

    def _drop_oldest(self, owner_id: int, *, spam: bool) -> None:
        known = self._lessons[owner_id]
        side = sorted((lesson for lesson in known.values() if lesson.spam == spam), key=lambda lesson: lesson.at)
        for lesson in side[: max(len(side) - max_lessons(owner_id), 0)]:
            del known[lesson.digest]

    def _changed(self, owner_id: int, count: int = 1) -> None:
        known = self._lessons[owner_id]
        learnt = self._learnt.get(owner_id, Learnt(owner_id))
        spam = sum(lesson.spam for lesson in known.values())
        self._learnt[owner_id] = replace(learnt, spam=spam, ham=len(known) - spam, changes=learnt.changes + count)
