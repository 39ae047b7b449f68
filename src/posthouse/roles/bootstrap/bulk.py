"""Where bulk mail is counted, as ``antispam.bulk_database`` says: in the node, or shared by the site's nodes (CON-9).

A change of the setting takes effect at the next question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from posthouse.base import log
from posthouse.base.errors import MailError, Temporary
from posthouse.base.settings import without_passwords
from posthouse.interfaces.bulk_signatures import BulkSignatures
from posthouse.model.bulk import Report, Seen, Sighting
from posthouse.model.settings import Settings

_log = log.get("bulk")


class SharedBulk(BulkSignatures, Protocol):
    """One on a server; ``close`` writes what waits."""

    async def close(self) -> None: ...


class ChosenBulk:
    """``interfaces.bulk_signatures.BulkSignatures``."""

    def __init__(self, settings: Callable[[], Settings], embedded: BulkSignatures) -> None:
        self._settings = settings
        self._embedded = embedded
        self._url = ""
        self._shared: SharedBulk | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def seen(self, keys: Collection[int], since: float) -> Mapping[int, Seen]:
        return await self._chosen().seen(keys, since)

    def note(self, sighting: Sighting) -> None:
        try:
            self._chosen().note(sighting)
        except MailError as error:
            _log.error("not-noted", cause=error.cause or error.public)

    def report(self, report: Report) -> None:
        try:
            self._chosen().report(report)
        except MailError as error:
            _log.error("not-noted", cause=error.cause or error.public)

    async def expire(self, before: float, reports_before: float) -> int:
        return await self._chosen().expire(before, reports_before)

    async def close(self) -> None:
        """Writes what waits for a server."""
        if self._shared is not None:
            await _close(self._shared)
        if self._closing:
            await asyncio.wait(self._closing, timeout=1.0)

    def _chosen(self) -> BulkSignatures:
        """Raises Temporary if it cannot be made."""
        url = self._settings().antispam.bulk_database
        if url != self._url:
            if self._shared is not None:
                task = asyncio.get_running_loop().create_task(_close(self._shared))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            self._shared, self._url = None, url
            _log.warning("database-changed", database=without_passwords(url) or "embedded")
        if not url:
            return self._embedded
        if self._shared is None:
            self._shared = _shared(url)
        return self._shared


async def _close(table: SharedBulk) -> None:
    try:
        await table.close()
    except MailError as error:
        _log.warning("database-not-closed", cause=error.cause or error.public)


def _shared(url: str) -> SharedBulk:
    """Raises Temporary if its driver is not installed."""
    try:
        made: Any
        if url.startswith("postgres"):
            from posthouse.backends.postgres.bulk import PostgresBulk

            made = PostgresBulk(url)
        else:
            from posthouse.backends.valkey.bulk import ValkeyBulk

            made = ValkeyBulk(url)
    except ImportError as error:
        raise Temporary("Local trouble, try again later", cause=f"the driver is not installed: {error}") from error
    return made  # type: ignore[no-any-return]
