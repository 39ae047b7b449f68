"""What an account may use, from all that was said about it (STO-5, DIR-5): asked for every message, so it is remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from posthouse.interfaces.limits import LimitBook
from posthouse.model.limits import Allowance, Sources, allowance
from posthouse.model.settings import Settings, StoreSettings

MAX_REMEMBERED = 4_096
NOBODY = Sources(0, ())


class _Remembered(NamedTuple):
    sources: Sources
    site: StoreSettings
    granted: Allowance


class AllowanceBook:
    """``of`` is an ``interfaces.limits.Allowances``. An answer holds as long as sources and settings are the same objects.

    Whoever is not in the directory (a shared tree has no user) has the site's settings, and no quota."""

    def __init__(self, book: LimitBook, settings: Callable[[], Settings]) -> None:
        self._book = book
        self._settings = settings
        self._remembered: dict[int, _Remembered] = {}

    async def of(self, account_id: int) -> Allowance:
        """Raises Temporary if the directory cannot be asked."""
        sources = await self._book.sources(account_id) or NOBODY
        site = self._settings().store
        known = self._remembered.get(account_id)
        if known is not None and known.sources is sources and known.site is site:
            return known.granted
        granted = allowance(sources, site)
        if sources is NOBODY:
            granted = Allowance(undelete_bytes=granted.undelete_bytes)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[account_id] = _Remembered(sources, site, granted)
        return granted
