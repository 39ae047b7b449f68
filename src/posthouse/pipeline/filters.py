"""Stages ``priority-filters``, ``domain-filters`` and ``user-filters``: Sieve scripts run on mail (CON-1, CON-2, CON-3).

After route, so that each local copy is known, and before sign, which must cover what filters change. The system's scripts
run once for all recipients, before any scanner; those of a domain behind the scanners, and those of a user behind the
disposition of junk, each for one local copy. A script that fails keeps the message (RFC 5228 §2.10.6). Without scripts a stage
costs a look-up or two a recipient.

What scripts want done is carried out by ``filter_actions`` on the transaction's copies; messages that they send wait in
``afterwards``. A user's ``keep`` means the place that was chosen by then: a mailbox for plus-addresses, or Junk Mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.errors import BadValue
from posthouse.content.sieve import Limits, Result, compile_script, execute
from posthouse.content.sieve.actions import Keep
from posthouse.content.sieve.lookups import HouseLookups
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.scripts import Scripts
from posthouse.model.plan import ToMailbox
from posthouse.model.script import SYSTEM, Memory, ScriptOwner, StoredScript
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Score, Verdict
from posthouse.pipeline.copies import Copy, Forms
from posthouse.pipeline.filter_actions import PRIORITY, Actions, Run
from posthouse.pipeline.filter_facts import FactBook, Level
from posthouse.pipeline.filter_mail import FilterMail
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags
from posthouse.pipeline.transaction import Transaction

DOMAIN, USER = "domain-filters", "user-filters"
ASIDE = 16_000_000
"""Characters of script times octets of message: what costs more than about a millisecond runs in a thread."""
REST_S = 0.003
_log = log.get("filters")


@dataclass(frozen=True, slots=True)
class FilterTools:
    """What running scripts takes beside the settings."""

    scripts: Scripts
    store: MailStore
    facts: FactBook
    mail: FilterMail


class PriorityFilters(Stage):
    """The system's scripts, once for all recipients. What they refuse, hold or file is settled; ``delivernow`` spares a message
    every later check."""

    name = PRIORITY

    def __init__(self, settings: Callable[[], Settings], tools: FilterTools) -> None:
        self._settings = settings
        self._tools = tools

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        scripts = await self._tools.scripts.active(SYSTEM)
        if not scripts:
            return ()
        await put_late_tags(transaction)
        filtering = Filtering(self.name, self._settings(), self._tools, transaction)
        if await filtering.run(Level(SYSTEM, SYSTEM, tuple(scripts)), transaction.open_copies(), "all recipients"):
            transaction.deliver_now = True
        return (*filtering.verdicts, *transaction.nobody_keeps(self.name))


class _OwnFilters(Stage):
    """Scripts that belong to one local copy: those of its domain or its user."""

    is_check = True

    def __init__(self, settings: Callable[[], Settings], tools: FilterTools) -> None:
        self._settings = settings
        self._tools = tools

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        levels = []
        for copy in transaction.open_copies():
            if isinstance(copy.destination, ToMailbox) and (level := await self._level(copy.destination)) is not None:
                levels.append((copy, level))
        if not levels:
            return ()
        await put_late_tags(transaction)
        filtering = Filtering(self.name, self._settings(), self._tools, transaction)
        for copy, level in levels:
            await filtering.run(level, [copy], str(copy.destination.recipient))
        return (*filtering.verdicts, *transaction.nobody_keeps(self.name))

    async def _level(self, destination: ToMailbox) -> Level | None:
        owner, includes = self._owner(destination)
        if owner is None:
            return None
        scripts = await self._tools.scripts.active(owner)
        return Level(owner, includes, tuple(scripts)) if scripts else None

    def _owner(self, destination: ToMailbox) -> tuple[ScriptOwner | None, ScriptOwner]:
        """Whose scripts, and whose ``include :global`` means."""
        raise NotImplementedError


class DomainFilters(_OwnFilters):
    """The scripts of the domain whose account a copy is for."""

    name = DOMAIN

    def _owner(self, destination: ToMailbox) -> tuple[ScriptOwner | None, ScriptOwner]:
        return (ScriptOwner("domain", destination.domain_id) if destination.domain_id else None), SYSTEM


class UserFilters(_OwnFilters):
    """The active script of the user whom a copy is for."""

    name = USER

    def _owner(self, destination: ToMailbox) -> tuple[ScriptOwner | None, ScriptOwner]:
        wanted = destination.account_id > 0 and self._settings().sieve.user_scripts
        user = ScriptOwner("user", destination.account_id) if wanted else None
        return user, ScriptOwner("domain", destination.domain_id)


class Filtering:
    """The runs of one stage on one message."""

    def __init__(self, stage: str, settings: Settings, tools: FilterTools, transaction: Transaction) -> None:
        self.verdicts: list[Verdict] = []
        self._stage = stage
        self._tools = tools
        self._transaction = transaction
        self._rested = tools.facts.sources.clock.steady()
        forms = Forms(transaction.forms)
        self._actions = Actions(stage, transaction, tools.mail, tools.store, settings.smtp.max_hops, forms, self.verdicts)
        self._limits = Limits(redirects=settings.sieve.max_redirects, seconds=settings.sieve.max_run_s)

    async def run(self, level: Level, copies: list[Copy], whom: str) -> bool:
        """The scripts of one level on copies of one form. True: no later check may look at them."""
        for stored in level.scripts:
            copies = [copy for copy in copies if copy.is_open]
            if not copies:
                return False
            if await self._script(level, stored, copies, whom):
                return True
        return False

    async def _script(self, level: Level, stored: StoredScript, copies: Sequence[Copy], whom: str) -> bool:
        form = copies[0].form
        try:
            script = compile_script(stored.text, level.owner.scope)
        except BadValue as error:
            return self._failed(level, stored, whom, error.public)
        of_copy = copies[0] if level.owner.scope != "system" else None
        vacation = "vacation" in script.requires
        facts = await self._tools.facts.of(self._transaction, form.view, of_copy, self._pending(), vacation=vacation)
        lookups = HouseLookups(self._tools.facts.sources, level.owner, level.includes)
        work = len(stored.text) * len(form.content)
        result = await execute(script, facts, lookups, self._limits, aside=work > ASIDE)
        await self._pause()
        if result.error:
            return self._failed(level, stored, whom, result.error)
        account_id = level.owner.owner_id if level.owner.scope == "user" else 0
        self._remember(account_id, result)
        if _says_nothing(result):
            return False
        return await self._actions.carry_out(Run(stored.name, whom, form, facts, result, account_id), copies)

    async def _pause(self) -> None:
        """Many short runs are a long one to everybody else on the loop."""
        steady = self._tools.facts.sources.clock.steady()
        if steady - self._rested >= REST_S:
            await asyncio.sleep(0)
            self._rested = self._tools.facts.sources.clock.steady()

    def _pending(self) -> float:
        """Points that this stage has given the message, which the driver has not heard of yet."""
        return sum(each.points for each in self.verdicts if isinstance(each, Score))

    def _failed(self, level: Level, stored: StoredScript, whom: str, error: str) -> bool:
        _log.warning("script-failed", scope=level.owner.scope, owner=level.owner.owner_id, script=stored.name, error=error)
        reason = Reason(self._stage, stored.name, f"{whom}: the script failed, the message is kept: {error}")
        self.verdicts.append(Continue(reason))
        return False

    def _remember(self, account_id: int, result: Result) -> None:
        if result.remember:
            memories = tuple(Memory(each.kind, each.key, each.expires_at) for each in result.remember)
            self._transaction.memories.append((account_id, memories))


def _says_nothing(result: Result) -> bool:
    """Whether all is as if the script were not there."""
    match result.actions:
        case (Keep(changes=0, flags=None, implicit=True),):
            return True
        case _:
            return False
