"""The sink in memory: mailboxes and queue together, all or nothing; for tests and for rehearsal of a message's path."""

from __future__ import annotations

from collections.abc import Mapping

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.spool import MemorySpool
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.model.limits import Allowance
from posthouse.model.plan import Acceptance, ToMailbox, ToQueue


class MemorySink:
    """See ``interfaces.sink``. ``accepted`` lists what was committed, for tests to look at."""

    def __init__(self, store: MemoryMailStore, spool: MemorySpool, *, allowances: Allowances = unlimited) -> None:
        self._allowances = allowances
        self._store = store
        self._spool = spool
        self.accepted: list[Acceptance] = []
        spool.accept = self.accept

    async def commit(self, acceptance: Acceptance) -> None:
        accounts = {each.account_id for each in acceptance.destinations if isinstance(each, ToMailbox)}
        allowed = {account_id: await self._allowances(account_id) for account_id in accounts}
        self.accept(acceptance, allowed if acceptance.sender.address is not None else None)

    def accept(self, acceptance: Acceptance, allowed: Mapping[int, Allowance] | None = None) -> None:
        """The same without waiting; the spool's bounces come through here. Raises Temporary; then nothing was kept."""
        local = [destination for destination in acceptance.destinations if isinstance(destination, ToMailbox)]
        self._store.deliver(acceptance.content, acceptance.summary, local, acceptance.received_at, check=True)
        alone = len(local) == 1 and not any(isinstance(each, ToQueue) for each in acceptance.destinations)
        self._store.deliver(acceptance.content, acceptance.summary, local, acceptance.received_at, allowed=allowed, alone=alone)
        self._spool.enqueue(acceptance)
        self.accepted.append(acceptance)
