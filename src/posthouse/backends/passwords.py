"""Argon2id in threads of its own (DIR-6): t=2, m=19 MiB, p=1, some 50 ms and 19 MiB for each password under way.

The threads and the queue before them are bounded: past them a login is deferred at once, which is cheap, instead of all
logins becoming slow. Parameters: the OWASP password storage cheat sheet's second choice for argon2id, RFC 9106 §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from posthouse.base.errors import Temporary

Result = TypeVar("Result")

TIME_COST = 2
MEMORY_KIB = 19_456
LANES = 1

_NOBODYS = f"$argon2id$v=19$m={MEMORY_KIB},t={TIME_COST},p={LANES}$bm9ib2R5cyBzZWNyZXQ$" + "A" * 43
"""A well-formed secret that no one has a password for: what is checked when there is none to check."""


class Argon2Hasher:
    """``interfaces.hasher.Hasher``. ``waiting``: how many may wait or run at a time in this process;
    ``pending`` is how many do."""

    def __init__(self, threads: int = 2, waiting: int = 64) -> None:
        self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._most = waiting
        self.pending = 0

    async def hash(self, password: str) -> str:
        octets = password.encode("utf-8", "surrogatepass")
        return await self._run(lambda: self._hasher.hash(octets))

    async def verify(self, secret: str, password: str) -> bool:
        octets = password.encode("utf-8", "surrogatepass")
        return await self._run(lambda: self._fits(secret, octets))

    def close(self) -> None:
        """Ends the threads once they are idle."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _fits(self, secret: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(secret, password)
        except (InvalidHashError, UnicodeEncodeError):
            return self._burn(password)
        except Argon2Error as error:
            # Only a mismatch has done the work already; other errors come from a secret that cannot be used.
            return False if "does not match" in str(error) else self._burn(password)

    def _burn(self, password: bytes) -> bool:
        try:
            self._hasher.verify(_NOBODYS, password)
        except Argon2Error:
            return False
        return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        """Raises Temporary when too many wait already."""
        if self.pending >= self._most:
            raise Temporary("Too many logins at once, try again later", code=454, enhanced="4.7.0", cause="hasher's queue full")
        self.pending += 1
        loop = asyncio.get_running_loop()
        future = self._executor.submit(work)

        def settled(_: Future[Result]) -> None:
            # In whichever thread ended it; also when the caller went away while its work was queued or running.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._one_less)

        future.add_done_callback(settled)
        return await asyncio.wrap_future(future)

    def _one_less(self) -> None:
        self.pending -= 1
