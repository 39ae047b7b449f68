"""How long a session waits for DNS: so much for one check, so much for all the checks of one message.

A dead or slow name server costs each message no more than that; what a check does without its answer (pass, refuse, defer)
is written at the check. The answer itself may still come and is then kept by the resolver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from posthouse.base.clock import Clock
from posthouse.base.errors import Temporary
from posthouse.model.session import Session
from posthouse.model.settings import Settings

Found = TypeVar("Found")


class Patience:
    """``wait`` is the one way in which stages of the envelope wait for DNS."""

    def __init__(self, settings: Callable[[], Settings], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def check_s(self) -> float:
        """The time that a check usually has."""
        return self._settings().lookup.check_timeout_s

    async def wait(self, session: Session, answer: Awaitable[Found], at_most_s: float | None = None) -> Found:
        """The answer. ``at_most_s`` instead of the time that a check usually has. A task that is waited for goes on after it.
        Raises Temporary when time is up, and what ``answer`` raises."""
        if isinstance(answer, asyncio.Task) and answer.done():
            return cast(Found, answer.result())
        lookup = self._settings().lookup
        usual_s = lookup.check_timeout_s if at_most_s is None else at_most_s
        left_s = min(usual_s, lookup.message_timeout_s - session.dns_waited_s)
        began_s = self._clock.steady()
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                return await (answer if asyncio.iscoroutine(answer) else asyncio.shield(answer))
        except TimeoutError:
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause=f"no answer within {left_s:.1f} s") from None
        finally:
            session.dns_waited_s += self._clock.steady() - began_s
