"""The sink in memory: mailboxes and queue together, all or nothing; for tests and for rehearsal of a message's path."""

from __future__ import annotations

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.spool import MemorySpool
from posthouse.model.plan import Acceptance, ToMailbox


class MemorySink:
    """See ``interfaces.sink``. ``accepted`` lists what was committed, for tests to look at."""

    def __init__(self, store: MemoryMailStore, spool: MemorySpool) -> None:
        self._store = store
        self._spool = spool
        self.accepted: list[Acceptance] = []
        spool.accept = self.accept

    async def commit(self, acceptance: Acceptance) -> None:
        self.accept(acceptance)

    def accept(self, acceptance: Acceptance) -> None:
        """The same without waiting; the spool's bounces come through here. Raises Temporary; then nothing was kept."""
        local = [destination for destination in acceptance.destinations if isinstance(destination, ToMailbox)]
        self._store.deliver(acceptance.content, acceptance.summary, local, acceptance.received_at, check=True)
        self._store.deliver(acceptance.content, acceptance.summary, local, acceptance.received_at)
        self._spool.enqueue(acceptance)
        self.accepted.append(acceptance)
