"""The sink in memory: mailboxes, queue and quarantines together, all or nothing; for tests."""

from __future__ import annotations

from collections.abc import Mapping

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.quarantine import MemoryQuarantine
from posthouse.backends.memory.spool import MemorySpool
from posthouse.base.clock import Clock
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.model.limits import Allowance
from posthouse.model.plan import Acceptance, ToMailbox, ToQuarantine, ToQueue


class MemorySink:
    """See ``interfaces.sink``. ``accepted`` lists what was committed, for tests to look at."""

    def __init__(
        self,
        store: MemoryMailStore,
        spool: MemorySpool,
        *,
        allowances: Allowances = unlimited,
        clock: Clock | None = None,
    ) -> None:
        self._allowances = allowances
        self._store = store
        self._spool = spool
        self.quarantine = MemoryQuarantine(self.accept, clock)
        self.accepted: list[Acceptance] = []
        spool.accept = self.accept

    async def commit(self, *acceptances: Acceptance) -> None:
        for each in acceptances:
            self._store.deliver(each.content, each.summary, _local(each), each.received_at, check=True)
        for acceptance in acceptances:
            accounts = {each.account_id for each in _local(acceptance)}
            allowed = {account_id: await self._allowances(account_id) for account_id in accounts}
            self.accept(acceptance, allowed if acceptance.sender.address is not None else None)

    def accept(self, acceptance: Acceptance, allowed: Mapping[int, Allowance] | None = None) -> None:
        """The same without waiting; the spool's bounces come through here. Raises Temporary; then nothing was kept."""
        local = _local(acceptance)
        self._store.deliver(acceptance.content, acceptance.summary, local, acceptance.received_at, check=True)
        elsewhere = any(isinstance(each, (ToQueue, ToQuarantine)) for each in acceptance.destinations)
        alone = len(local) == 1 and not elsewhere
        self._store.deliver(acceptance.content, acceptance.summary, local, acceptance.received_at, allowed=allowed, alone=alone)
        self._spool.enqueue(acceptance)
        self.quarantine.take(acceptance)
        self.accepted.append(acceptance)


def _local(acceptance: Acceptance) -> list[ToMailbox]:
    return [destination for destination in acceptance.destinations if isinstance(destination, ToMailbox)]
