"""The sink on SQLite: an acceptance becomes one unit of work, committed with others by one fsync (``interfaces.sink``).

Large contents are written and synced to their files first. Failing closed: while the steward restarts or the disk is full,
``commit`` raises Temporary and the client keeps its message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.parcels import accept_arguments, parcel
from posthouse.backends.sqlite.units_bodies import BLOB_MISSING
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.clock import SystemClock
from posthouse.base.errors import Temporary
from posthouse.base.ids import Ids
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.model.limits import packed
from posthouse.model.plan import Acceptance, ToMailbox
from posthouse.model.summary import Summary

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
    ) -> None:
        self._gate = gate
        self._blobs = BlobFiles(blob_folder(path))
        self._lifetime_s = lifetime_s
        self._ids = ids or Ids(SystemClock())
        self._allowances = allowances

    async def commit(self, acceptance: Acceptance) -> None:
        allowed = await self._allowed(acceptance)

        def arguments(parcels: list[list[Any]]) -> list[Any]:
            return accept_arguments(acceptance, parcels[0], self._ids, self._lifetime_s(), allowed)

        contents = [(acceptance.content, acceptance.summary)]
        await call_with_parcels(self._gate, self._blobs, "accept", contents, arguments)

    async def _allowed(self, acceptance: Acceptance) -> dict[int, Any] | None:
        """By account. Notices of the node itself come in whatever the quota: nobody could be told that they did not."""
        if acceptance.sender.address is None or self._allowances is unlimited:
            return None
        accounts = {each.account_id for each in acceptance.destinations if isinstance(each, ToMailbox)}
        return {account_id: packed(await self._allowances(account_id)) for account_id in accounts}


async def call_with_parcels(
    gate: Gate,
    blobs: BlobFiles,
    kind: str,
    contents: Sequence[tuple[bytes, Summary]],
    arguments: Callable[[list[list[Any]]], Any],
) -> Any:
    """Calls a unit that names ``contents``, the large ones being made durable in files first.

    A file may be swept between being found and being named, if it was nobody's for long; then it is written again.
    """
    parcels = [parcel(content, summary) for content, summary in contents]
    octets = sum(len(packed[2]) for packed in parcels if packed[2] is not None) + 500 * len(parcels)
    large = [(packed[0], content) for packed, (content, _) in zip(parcels, contents, strict=True) if packed[2] is None]
    for attempt in (1, 2):
        for digest, content in large:
            await asyncio.to_thread(blobs.write, digest, content)
        try:
            return await gate.call(kind, arguments(parcels), octets)
        except Temporary as error:
            if error.cause != BLOB_MISSING or attempt == 2:
                raise
    raise AssertionError("the loop ends by return or raise")
