"""The rules that this process scores by: what the book says is in use, the groups that the site has chosen.

Made anew when either changes, in a thread. A book whose rules this program does not understand (another version wrote it) is
passed over for the program's own, and that is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from posthouse.base import log
from posthouse.content.antispam.rulegroups import BadRules, RuleGroup, parse_group, shipped_groups
from posthouse.content.antispam.ruleset import RuleSet, without
from posthouse.interfaces.rule_book import RuleBook
from posthouse.model.settings import ScorerSettings

_log = log.get("antispam")


class RulesInUse:
    """``await current()`` for each message: cheap while nothing changes."""

    def __init__(self, book: RuleBook, settings: Callable[[], ScorerSettings]) -> None:
        self._book = book
        self._settings = settings
        self._made_for: tuple[int, tuple[str, ...], tuple[str, ...]] | None = None
        self._rules = RuleSet(())
        self._making = asyncio.Lock()

    async def current(self) -> RuleSet:
        """The rules. Raises Temporary when the book cannot be read."""
        settings = self._settings()
        wanted = (await self._book.changes(), settings.rule_groups, settings.rules_off)
        if wanted != self._made_for:
            async with self._making:  # messages that come meanwhile wait for the same rules
                if wanted != self._made_for:
                    groups = await self.groups()
                    self._rules = await asyncio.to_thread(chosen, groups, settings)
                    self._made_for = wanted
        return self._rules

    async def groups(self) -> Mapping[str, RuleGroup]:
        """All groups there are, by name: the book's over the program's own."""
        stored = await self._book.in_use()
        return await asyncio.to_thread(readable, stored.groups if stored else {})


def readable(texts: Mapping[str, str]) -> Mapping[str, RuleGroup]:
    """The program's own groups, with those of ``texts`` in their place if all of them can be used."""
    own = {name: parse_group(text) for name, text in shipped_groups().items()}
    try:
        groups = {name: parse_group(text) for name, text in texts.items()}
        RuleSet(groups.values())
    except BadRules as error:
        _log.error("rules-not-understood", cause=str(error))
        return own
    return {**own, **groups}


def chosen(groups: Mapping[str, RuleGroup], settings: ScorerSettings) -> RuleSet:
    """The rules of the groups that the settings name, in their order; a name that is none is passed over."""
    return RuleSet([without(groups[name], settings.rules_off) for name in settings.rule_groups if name in groups])
