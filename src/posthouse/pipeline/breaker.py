"""A call to another system within a time, and not again and again while that system is down.

After some failures in a row calls fail at once for a while; then one is let through to see. Says once in the log when a system
went, and when it came back; the caller says in the trace what that meant for a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, Temporary

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Rest:
    """After so many failures in a row, calls fail at once for so long."""

    failures: int = 3
    seconds: float = 5.0


class Unanswered(Temporary):
    """No answer in time, or a failure. ``cause`` says which."""

    def __init__(self, cause: str) -> None:
        super().__init__("Local trouble, try again later", cause=cause)


class Breaker:
    """One for each system that is called. ``changed`` is told when it goes (False) and comes back (True); ``rest`` is asked at
    each call."""

    def __init__(self, name: str, clock: Clock, changed: Callable[[bool], None], rest: Callable[[], Rest] = Rest) -> None:
        self._name = name
        self._clock = clock
        self._changed = changed
        self._rest = rest
        self._failures = 0
        self._gone = False
        self._rests_until_s = 0.0
        self._cause = ""
        self._log = log.get(name)

    async def call(self, work: Callable[[], Awaitable[Answer]], timeout_s: float) -> Answer:
        """The answer of ``work``. Raises Unanswered."""
        now_s, rest = self._clock.steady(), self._rest()
        if self._failures >= rest.failures:
            if now_s < self._rests_until_s:
                raise Unanswered(f"resting after {self._failures} failures: {self._cause}")
            self._rests_until_s = now_s + rest.seconds  # this call looks whether it is back; the others need not wait for it
        try:
            async with asyncio.timeout(timeout_s):
                answer = await work()
        except TimeoutError:
            raise self._failed(f"no answer within {timeout_s:g} s") from None
        except MailError as error:
            raise self._failed(error.cause or error.public) from error
        if self._failures:
            self._came_back()
        return answer

    def _failed(self, cause: str) -> Unanswered:
        self._failures += 1
        self._cause = cause
        rest = self._rest()
        if self._failures >= rest.failures and not self._gone:
            self._gone = True
            self._rests_until_s = self._clock.steady() + rest.seconds
            self._log.error("gone", system=self._name, cause=cause)
            self._changed(False)
        return Unanswered(cause)

    def _came_back(self) -> None:
        if self._gone:
            self._gone = False
            self._log.warning("back", system=self._name)
            self._changed(True)
        self._failures = 0
