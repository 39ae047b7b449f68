"""Turns what users say about mail into lessons for the scorer, in the steward, behind everything else (CON-13, CON-8).

What is told waits in a bounded queue and is lost with the process: at most once, and no command waits for it. Messages are read
from the store when their turn comes; one that has gone by then teaches nothing. A user teaches for themselves and, as set, for
the site; how many in a day is bounded, so that one stolen account cannot turn the site's scorer round.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, NotFound
from posthouse.base.metrics import LESSONS
from posthouse.formats.mime import summarise
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.settings import AntispamSettings
from posthouse.model.spam import SITE_ID
from posthouse.model.spam_learning import Lesson
from posthouse.model.summary import Summary
from posthouse.model.teaching import Taught

MAX_WAITING = 10_000
BATCH = 20
DAY_S = 86_400.0
Tokens = Callable[[bytes, Summary], tuple[int, ...]]
"""The numbers of a message's tokens; may take some milliseconds."""

Learn = Callable[[Sequence[Lesson]], Awaitable[int]]
"""Keeps lessons; gives how many changed something. Raises Temporary."""

Reported = Callable[[bytes, Summary, int, bool], Awaitable[None]]
"""Also told of each message: content, summary, who says so, whether it is spam."""

_log = log.get("training")


@dataclass(frozen=True, slots=True)
class Tools:
    """What training takes. ``reported`` hears of each message that a user has spoken about."""

    store: MailStore
    learn: Learn
    tokens: Tokens
    clock: Clock
    settings: Callable[[], AntispamSettings]
    reported: Reported | None = None


class Trainer:
    """``note`` what is told, ``run`` it in the background, ``drain`` at the end; ``teach`` is for operations."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._waiting: deque[Taught] = deque()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._today: dict[int, int] = {}
        self._day = -1
        self.taught = 0
        """Messages that have taught something since the start."""

    def note(self, taught: Taught) -> None:
        """Returns at once. What finds no room any more is dropped."""
        if len(self._waiting) >= MAX_WAITING:
            _log.warning("lesson-dropped", waiting=len(self._waiting))
            return
        self._waiting.append(taught)
        self._idle.clear()
        self._wanted.set()

    @property
    def waiting(self) -> int:
        """What has been told and not been learnt yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                await self._one(self._waiting[0])
                self._waiting.popleft()
            self._idle.set()

    async def drain(self, timeout_s: float) -> None:
        """Waits until nothing waits, or the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("lessons-lost", waiting=len(self._waiting))

    async def _one(self, taught: Taught) -> None:
        settings = self._tools.settings()
        if not settings.train:
            return
        owners = (taught.account_id, SITE_ID) if settings.train_site else (taught.account_id,)
        try:
            async for contents in self._contents(taught.mailbox_id, taught.uids):
                allowed = contents[: self._left_today(taught.account_id, settings.max_lessons)]
                self._today[taught.account_id] = self._today.get(taught.account_id, 0) + len(allowed)
                learnt = await self.teach(allowed, owners, spam=taught.spam, who=taught.account_id)
                self.taught += learnt
                LESSONS.labels("spam" if taught.spam else "ham").inc(learnt)
                if len(allowed) < len(contents):
                    _log.warning("too-many-lessons", account_id=taught.account_id, limit=settings.max_lessons)
                    return
        except Exception as error:  # noqa: BLE001 - one message that breaks must not end all learning
            if not isinstance(error, MailError):
                _log.exception("lesson-broken", account_id=taught.account_id)
                return
            _log.warning("lesson-not-learnt", account_id=taught.account_id, cause=error.cause or error.public)

    async def teach(self, contents: Sequence[bytes], owners: Sequence[int], *, spam: bool, who: int = SITE_ID) -> int:
        """Learns messages for each owner; gives how many lessons changed something. ``who`` says so: a user's account.

        Raises Temporary."""
        now, lessons = self._tools.clock.now(), list[Lesson]()
        for content in contents:
            summary, tokens = await asyncio.to_thread(self._read, content)
            lessons += [Lesson(owner, spam, summary.digest, tokens, now) for owner in owners]
            if self._tools.reported is not None and who != SITE_ID:
                await self._tools.reported(content, summary, who, spam)
        return await self._tools.learn(lessons) if lessons else 0

    def _read(self, content: bytes) -> tuple[Summary, tuple[int, ...]]:
        summary = summarise(content)
        return summary, self._tools.tokens(content, summary)

    async def _contents(self, mailbox_id: int, uids: Sequence[int]) -> AsyncIterator[list[bytes]]:
        """The messages that are still there, some at a time. Raises NotFound, Temporary."""
        for start in range(0, len(uids), BATCH):
            found = []
            for fact in await self._tools.store.facts(mailbox_id, uids[start : start + BATCH]):
                try:
                    found.append(await self._tools.store.content(fact.body_id))
                except NotFound:
                    continue
            yield found

    def _left_today(self, account_id: int, limit: int) -> int:
        day = int(self._tools.clock.now() // DAY_S)
        if day != self._day:
            self._today.clear()
            self._day = day
        return max(limit - self._today.get(account_id, 0), 0)
