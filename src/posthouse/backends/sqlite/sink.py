"""The sink on SQLite: an acceptance becomes one unit of work, committed with others by one fsync (``interfaces.sink``).

Large contents are written and synced to their files first. Failing closed: while the steward restarts or the disk is full,
``commit`` raises Temporary and the client keeps its message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from posthouse.backends.sqlite.accepting import accept_arguments
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.packing import Packer
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.model.limits import packed
from posthouse.model.plan import Acceptance, ToMailbox

LIFETIME_S = 432_000.0


class SqliteSink:
    """``gate`` leads to the writing thread of the database at ``path``; ``lifetime_s`` is of new mail in the queue."""

    def __init__(
        self,
        gate: Gate,
        path: Path,
        *,
        lifetime_s: Callable[[], float] = lambda: LIFETIME_S,
        ids: Ids | None = None,
        allowances: Allowances = unlimited,
        packer: Packer | None = None,
    ) -> None:
        self._gate = gate
        self._packer = packer or Packer(path)
        self._lifetime_s = lifetime_s
        self._ids = ids or Ids(SystemClock())
        self._allowances = allowances

    async def commit(self, *acceptances: Acceptance) -> None:
        self._packer.room.check()
        allowed = [await self._allowed(acceptance) for acceptance in acceptances]

        def arguments(parcels: list[list[Any]]) -> list[Any]:
            every = zip(acceptances, parcels, allowed, strict=True)
            units = [accept_arguments(each, packed, self._ids, self._lifetime_s(), may) for each, packed, may in every]
            return units[0] if len(units) == 1 else units

        contents = [(acceptance.content, acceptance.summary) for acceptance in acceptances]
        await self._packer.call(self._gate, "accept" if len(acceptances) == 1 else "accept_all", contents, arguments)

    async def _allowed(self, acceptance: Acceptance) -> dict[int, Any] | None:
        """By account. Notices of the node itself come in whatever the quota: nobody could be told that they did not."""
        if acceptance.sender.address is None or self._allowances is unlimited:
            return None
        accounts = {each.account_id for each in acceptance.destinations if isinstance(each, ToMailbox)}
        return {account_id: packed(await self._allowances(account_id)) for account_id in accounts}
