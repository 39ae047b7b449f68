"""The gate without a socket: the writing thread runs in this process (the steward itself, offline operations, tests)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import BadValue
from posthouse.interfaces.mailstore import Watched


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

    async def call(self, kind: str, arguments: Any, octets: int = 0) -> Any:
        return await asyncio.wrap_future(self._writer.submit(kind, arguments, octets))

    def tell(self, kind: str, payload: Any) -> None:
        if kind not in self._tells:
            raise BadValue("Nobody listens", cause=f"no handler for {kind}")
        self._tells[kind](payload)

    def watch(self, kind: Watched, number: int, *, on: bool) -> None:
        """Who is in the writer's process hears of everything from it."""
