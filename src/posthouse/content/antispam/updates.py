"""Newer rules (CON-10): fetched from where the site says, believed by their signature, tried, and only then used.

Failing: whatever goes wrong, the rules stay as they are; it is told and tried again at the next time. No version is taken over
that is not newer than all before, so that nobody can bring old rules back but an administrator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import BadValue, Permanent
from posthouse.content.antispam.bundles import BadBundle, fetch_files, fetch_manifest, public_key
from posthouse.content.antispam.rulegroups import BadRules
from posthouse.content.antispam.selftest import tried
from posthouse.interfaces.bundle_source import BundleSource
from posthouse.interfaces.rule_book import RuleBookWriter, StoredRules
from posthouse.model.settings import ScorerSettings

_SAMPLES = "samples/"
_log = log.get("antispam")


@dataclass(frozen=True, slots=True)
class Update:
    """What a look for newer rules gave: the version in use now, and whether it is new."""

    version: int
    new: bool


class RuleUpdates:
    """``source`` gives the place that ``scorer.update_from`` names."""

    def __init__(
        self,
        book: RuleBookWriter,
        source: Callable[[str], BundleSource],
        settings: Callable[[], ScorerSettings],
        clock: Clock,
    ) -> None:
        self._book = book
        self._source = source
        self._settings = settings
        self._clock = clock
        self._looked_at = 0.0

    async def look(self) -> Update | None:
        """Updates if it is time to; None if it is not, or the site has not said where from. Raises as ``update``."""
        settings, now = self._settings(), self._clock.now()
        if not settings.update_from or now - self._looked_at < settings.update_hours * 3600.0:
            return None
        self._looked_at = now
        return await self.update()

    async def update(self) -> Update:
        """Takes newer rules over if there are any. Raises Temporary; Permanent for a bundle that is not good; BadValue where
        the settings do not say whence and by whom."""
        settings = self._settings()
        if not settings.update_from or not settings.update_key:
            raise BadValue("scorer.update_from and scorer.update_key say where rules come from and who signs them")
        source = self._source(settings.update_from)
        try:
            manifest = await fetch_manifest(source, public_key(settings.update_key))
            if manifest.version <= await self._book.newest():
                return Update(await self._version(), new=False)
            files = await fetch_files(source, manifest)
            texts = {name.removesuffix(".toml"): octets.decode() for name, octets in files.items() if name.endswith(".toml")}
            samples = {name.removeprefix(_SAMPLES): octets for name, octets in files.items() if name.startswith(_SAMPLES)}
            await asyncio.to_thread(tried, texts, samples)
        except (BadBundle, BadRules, UnicodeDecodeError) as error:
            _log.error("rules-refused", origin=settings.update_from, cause=str(error))
            raise Permanent(f"The rules are not taken over: {error}", code=554, enhanced="5.7.0", cause=str(error)) from None
        await self._book.take_over(StoredRules(manifest.version, self._clock.now(), settings.update_from, texts))
        _log.info("rules-updated", version=manifest.version, groups=len(texts))
        return Update(manifest.version, new=True)

    async def roll_back(self) -> int:
        """Goes back to the rules that were in use before; gives their version, 0 for the program's own. Raises NotFound."""
        rules = await self._book.roll_back()
        version = rules.version if rules else 0
        _log.warning("rules-rolled-back", version=version)
        return version

    async def _version(self) -> int:
        rules = await self._book.in_use()
        return rules.version if rules else 0
