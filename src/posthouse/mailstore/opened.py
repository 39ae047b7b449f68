"""The messages that were opened last, for all sessions of a process: clients ask for one message piece by piece.

Contents never change, so entries need no checking; they are bounded by their octets.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from posthouse.formats.mime import index
from posthouse.interfaces.mailstore import MailReader
from posthouse.model.summary import Part

MAX_BYTES = 8 << 20
LARGE_BYTES = 256 << 10
_OVERHEAD_BYTES = 2048
Result = TypeVar("Result")


class OpenedMessage:
    """A message's octets and, once asked for, its MIME tree."""

    __slots__ = ("_root", "content")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._root: Part | None = None

    @property
    def root(self) -> Part:
        if self._root is None:
            self._root = index(self.content)
        return self._root

    async def off_loop(self, work: Callable[[], Result]) -> Result:
        """Does ``work`` on this message; of a large one in a thread."""
        return await asyncio.to_thread(work) if len(self.content) > LARGE_BYTES else work()


class OpenedMessages:
    """A bounded cache by body id."""

    def __init__(self, store: MailReader, max_bytes: int = MAX_BYTES) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._bytes = 0
        self._messages: OrderedDict[int, OpenedMessage] = OrderedDict()

    async def open(self, body_id: int, *, keep: bool) -> OpenedMessage:
        """The message; ``keep``: it is likely to be asked for again. Raises NotFound."""
        message = self._messages.get(body_id)
        if message is not None:
            self._messages.move_to_end(body_id)
            return message
        message = OpenedMessage(await self._store.content(body_id))
        if keep and body_id not in self._messages and len(message.content) <= self._max_bytes // 2:
            self._messages[body_id] = message
            self._bytes += len(message.content) + _OVERHEAD_BYTES
            while self._bytes > self._max_bytes:
                _, oldest = self._messages.popitem(last=False)
                self._bytes -= len(oldest.content) + _OVERHEAD_BYTES
        return message
