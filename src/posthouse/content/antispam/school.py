"""When weights are made of lessons, and how (CON-8): in the steward's time, by a process of its own.

A user's lessons are made into weights as soon as they are there; the site's, which are many, when enough has changed or some
time has passed. What a user's weights correct is the site's at that time.

Failing: when the process dies or takes too long, the weights stay as they were, and it is tried again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.content.antispam.fitting import Example, fit, fit_beside
from posthouse.content.antispam.weights import BrokenWeights, Weights, parse
from posthouse.interfaces.spam_lessons import LessonBook
from posthouse.model.settings import ScorerSettings
from posthouse.model.spam import SITE_ID
from posthouse.model.spam_learning import Learnt, Lesson

ANCHORS = 100
"""Of the site's spam, and of its ham: beside a user's lessons."""
REST_S = 900.0
"""After a failure of an owner's lessons."""
CHANGED_SHARE = 0.05
"""Of the site's lessons: when so many are new, its weights are made anew without waiting."""

_log = log.get("antispam")


class Task(msgspec.Struct, array_like=True):
    """What the process is given: lessons as (spam, numbers); a user's also with the site's weights, and some of the site's."""

    site: bytes | None
    lessons: list[tuple[bool, list[int]]]
    anchors: list[tuple[bool, list[int]]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Task)


class School:
    """``fitter`` takes the octets of a Task to another process and brings back what ``carry_out`` gave there."""

    def __init__(
        self,
        book: LessonBook,
        fitter: Callable[[bytes], Awaitable[bytes]],
        settings: Callable[[], ScorerSettings],
        clock: Clock,
    ) -> None:
        self._book = book
        self._fitter = fitter
        self._settings = settings
        self._clock = clock
        self._resting: dict[int, float] = {}

    async def attend(self) -> int:
        """Makes weights for whom they are due, users first; gives for how many owners. Raises Temporary."""
        count = 0
        for learnt in reversed(await self._book.unfitted()):
            if self._resting.get(learnt.owner_id, 0.0) > self._clock.now():
                continue
            if learnt.owner_id != SITE_ID or self._site_is_due(learnt):
                self._resting[learnt.owner_id] = self._clock.now() + REST_S
                await self.fit(learnt.owner_id)
                del self._resting[learnt.owner_id]
                count += 1
        return count

    async def fit(self, owner_id: int) -> Learnt:
        """Makes an owner's weights now. Raises Temporary."""
        learnt = await self._book.learnt(owner_id)
        lessons = await self._book.lessons(owner_id)
        octets = b""
        if lessons and (owner_id != SITE_ID or (learnt.spam and learnt.ham)):
            site: bytes | None = None
            anchors: Sequence[Lesson] = ()
            if owner_id != SITE_ID:
                site, anchors = await self._site()
            octets = await self._fitter(await asyncio.to_thread(_task, site, lessons, anchors))
        await self._book.keep_weights(owner_id, octets, learnt.changes, self._clock.now())
        _log.info("lessons-fitted", owner=owner_id, spam=learnt.spam, ham=learnt.ham, size_bytes=len(octets))
        return await self._book.learnt(owner_id)

    async def _site(self) -> tuple[bytes, Sequence[Lesson]]:
        """The site's weights, if they count, and some of its lessons."""
        learnt, settings = await self._book.learnt(SITE_ID), self._settings()
        if learnt.spam < settings.enough_spam or learnt.ham < settings.enough_ham:
            return b"", []
        return await self._book.octets(SITE_ID), await self._book.newest(SITE_ID, ANCHORS)

    async def expire(self) -> int:
        """Drops lessons that are too old; gives how many."""
        return await self._book.expire(self._clock.now() - self._settings().lesson_days * 86_400.0)

    def _site_is_due(self, learnt: Learnt) -> bool:
        settings = self._settings()
        if learnt.spam < settings.enough_spam or learnt.ham < settings.enough_ham:
            return learnt.version > 0  # what was taken back may not go on counting
        new = learnt.changes - learnt.fitted
        waited_s = self._clock.now() - learnt.fitted_at
        return learnt.version == 0 or new >= CHANGED_SHARE * (learnt.spam + learnt.ham) or waited_s >= settings.fit_after_s


def carry_out(octets: bytes) -> bytes:
    """The weights of a Task, in the process that it was taken to. Raises msgspec.DecodeError."""
    task = _decoder.decode(octets)
    if task.site is None:
        return fit([Example(spam, numbers) for spam, numbers in task.lessons]).octets()
    site = _parsed(task.site)
    examples = [_beside(site, numbers, spam=spam) for spam, numbers in (*task.lessons, *task.anchors)]
    spam = sum(spam for spam, _ in task.lessons)
    rarity = site.rarity if site is not None else lambda _: 1.0
    return fit_beside(examples, rarity, (spam, len(task.lessons) - spam)).octets()


def _task(site: bytes | None, lessons: Sequence[Lesson], anchors: Sequence[Lesson]) -> bytes:
    """For the process that fits; many lessons take a while to write down."""
    return _encoder.encode(Task(site, _plain(lessons), _plain(anchors)))


def _plain(lessons: Sequence[Lesson]) -> list[tuple[bool, list[int]]]:
    return [(lesson.spam, list(lesson.tokens)) for lesson in lessons]


def _parsed(octets: bytes) -> Weights | None:
    try:
        return parse(octets) if octets else None
    except BrokenWeights:
        return None


def _beside(site: Weights | None, numbers: list[int], *, spam: bool) -> Example:
    if site is None:
        body = sum(number >> 31 for number in numbers)
        return Example(spam, numbers, 0.0, (max(len(numbers) - body, 1) ** 0.5, max(body, 1) ** 0.5))
    margin = site.margin_of(numbers)
    return Example(spam, numbers, margin.value - site.threshold, (margin.header_length, margin.body_length))
