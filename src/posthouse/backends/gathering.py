"""Questions that are asked at the same time travel together: one round trip at a time, which takes all that have come.

Used before a database that is asked from an event loop: under load the groups grow, without it nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from posthouse.base.errors import MailError, Temporary

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MOST_WAITING = 10_000
MOST_AT_ONCE = 500


class Gathering(Generic[Question, Answer]):
    """``ask_all`` gives one answer for each question, in order, or raises MailError."""

    def __init__(self, ask_all: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask_all = ask_all
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """The answers in order. A caller that is cancelled loses its answers alone. Raises what ``ask_all`` raises;
        Temporary when too many wait."""
        if len(self._waiting) + len(questions) > MOST_WAITING:
            raise Temporary("Too busy, try again later", cause=f"{len(self._waiting)} questions wait")
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Answer]] = [loop.create_future() for _ in questions]
        self._waiting += zip(questions, futures, strict=True)
        if self._task is None:
            self._task = loop.create_task(self._run())
        return [await futures[0]] if len(futures) == 1 else await asyncio.gather(*futures)

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._ask(group)
        finally:
            self._task = None

    async def _ask(self, group: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        asked = [(question, future) for question, future in group if not future.done()]
        if not asked:
            return
        try:
            answers = await self._ask_all([question for question, _ in asked])
        except MailError as error:
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        except BaseException:
            for _, future in asked:
                future.cancel()
            raise
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
