"""The gate without a socket: the writing thread runs in this process (the steward itself, offline operations, tests)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from posthouse.backends.notices import ignore
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import BadValue, MailError
from posthouse.interfaces.mailstore import Watched

_Answer = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Any, "MailError | None"]


class Gate(Protocol):
    """Where units of work are handed in. ``GateClient`` and ``LocalGate`` are the two."""

    async def call(self, kind: str, arguments: Any, octets: int = 0) -> Any:
        """The unit's result, once it is durable. ``octets`` is about the size of the arguments. Raises MailError."""
        ...

    def tell(self, kind: str, payload: Any) -> None:
        """Sends something without an answer; it may be lost when the steward dies. Never blocks, never fails."""
        ...

    def watch(self, kind: Watched, number: int, *, on: bool) -> None:
        """See ``interfaces.mailstore.MailReader.want_notices``. Never blocks, never fails."""
        ...


class LocalGate:
    """Hands units to ``writer``, which the caller starts and stops."""

    def __init__(self, writer: MailWriterThread, *, tells: Mapping[str, Callable[[Any], None]] | None = None) -> None:
        self._writer = writer
        self._tells = tells or {}
        self._answers: list[_Answer] = []
        writer.listen(ignore, self._group_answered)

    async def call(self, kind: str, arguments: Any, octets: int = 0) -> Any:
        loop, here = asyncio.get_running_loop(), threading.get_ident()
        future: asyncio.Future[Any] = loop.create_future()

        def reply(result: Any, error: MailError | None) -> None:
            answer = (loop, future, result, error)
            if threading.get_ident() == here:  # the thread is stopping and took nothing in
                _settle([answer])
            else:
                self._answers.append(answer)

        self._writer.post(kind, arguments, octets, reply)
        return await future

    def _group_answered(self) -> None:
        """In the writing thread: the loop is woken once for all of a group."""
        answers, self._answers = self._answers, []
        for loop, group in groupby(answers, key=itemgetter(0)):
            try:
                loop.call_soon_threadsafe(_settle, list(group))
            except RuntimeError:  # the loop has closed, and nobody waits any more
                continue

    def tell(self, kind: str, payload: Any) -> None:
        if kind not in self._tells:
            raise BadValue("Nobody listens", cause=f"no handler for {kind}")
        self._tells[kind](payload)

    def watch(self, kind: Watched, number: int, *, on: bool) -> None:
        """Who is in the writer's process hears of everything from it."""


def _settle(answers: list[_Answer]) -> None:
    for _, future, result, error in answers:
        if future.done():  # its caller was cancelled; the unit happened all the same
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
