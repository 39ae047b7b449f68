"""Stage ``filters``: the Sieve scripts of the system, of domains and of users, run on mail (CON-1, CON-2, CON-3).

After route, so that each local copy is known, and before sign, which must cover what filters change. The system's scripts
run once for all recipients; then, for each local mailbox, those of its domain and the user's active one. A script that
fails keeps the message (RFC 5228 §2.10.6). Without scripts the stage costs a look-up or two a recipient.

What scripts want done is carried out by ``filter_actions``; here it becomes the plan: the main form of the message in the
transaction, other forms in ``variants``, messages to send in ``afterwards``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.errors import BadValue
from posthouse.content.sieve import Limits, Result, compile_script, execute
from posthouse.content.sieve.actions import Keep
from posthouse.content.sieve.lookups import HouseLookups
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.scripts import Scripts
from posthouse.model.plan import Acceptance, Destination, ToMailbox, ToNowhere, ToQueue, Variant
from posthouse.model.script import SYSTEM, Memory, ScriptOwner, StoredScript
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Refuse, Verdict
from posthouse.pipeline.filter_actions import STAGE, Actions, Outcome, Run
from posthouse.pipeline.filter_facts import FactBook, Level
from posthouse.pipeline.filter_forms import Copy, Form, Forms
from posthouse.pipeline.filter_mail import FilterMail
from posthouse.pipeline.filter_words import refusal
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags
from posthouse.pipeline.transaction import Transaction
from posthouse.queue.notices import Notices

_log = log.get(STAGE)


@dataclass(frozen=True, slots=True)
class FilterTools:
    """What running scripts takes beside the settings."""

    scripts: Scripts
    store: MailStore
    facts: FactBook
    mail: FilterMail
    notices: Notices


class Filters(Stage):
    name = STAGE

    def __init__(self, settings: Callable[[], Settings], tools: FilterTools) -> None:
        self._settings = settings
        self._tools = tools

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        system = await self._tools.scripts.active(SYSTEM)
        levels = [await self._levels(destination) for destination in transaction.destinations]
        if not system and not any(levels):
            return ()
        await put_late_tags(transaction)
        filtering = Filtering(self._settings(), self._tools, transaction)
        if system:
            await filtering.together(Level(SYSTEM, SYSTEM, tuple(system)))
        for place, own in enumerate(levels):
            await filtering.alone(place, own)
        return await filtering.verdicts()

    async def _levels(self, destination: Destination) -> list[Level]:
        """The domain's scripts and the user's, as far as there are any."""
        if not isinstance(destination, ToMailbox):
            return []
        levels = []
        domain = ScriptOwner("domain", destination.domain_id)
        if destination.domain_id and (found := await self._tools.scripts.active(domain)):
            levels.append(Level(domain, SYSTEM, tuple(found)))
        if destination.account_id > 0 and self._settings().sieve.user_scripts:
            user = ScriptOwner("user", destination.account_id)
            if found := await self._tools.scripts.active(user):
                levels.append(Level(user, domain, tuple(found)))
        return levels


class Filtering:
    """All runs on one message. ``_going``: the copy of each destination while scripts may still look at it."""

    def __init__(self, settings: Settings, tools: FilterTools, transaction: Transaction) -> None:
        assert transaction.summary is not None, "the driver sets the summary before it asks"
        first = Form.of(transaction.content, transaction.summary)
        self._settings = settings
        self._tools = tools
        self._transaction = transaction
        self._outcome = Outcome()
        self._forms = Forms(first)
        self._actions = Actions(self._forms, tools.mail, tools.store, settings.smtp.max_hops, self._outcome)
        self._limits = Limits(redirects=settings.sieve.max_redirects, seconds=settings.sieve.max_run_s)
        self._going: list[Copy | None] = [
            Copy(first, destination, place) for place, destination in enumerate(transaction.destinations)
        ]
        self._ended = False

    async def together(self, level: Level) -> None:
        """The system's scripts, once for all recipients."""
        copies = [copy for copy in self._going if copy is not None]
        for stored in level.scripts:
            if not copies:
                break
            copies, self._ended = await self._run(level, stored, copies, "all recipients")
            if self._ended:
                break
        self._going = [None] * len(self._going)
        for copy in copies:
            self._going[copy.place] = copy

    async def alone(self, place: int, levels: Sequence[Level]) -> None:
        """The scripts of one destination's domain and user."""
        copy = self._going[place]
        if copy is None or self._ended:
            return
        for level in levels:
            for stored in level.scripts:
                if not isinstance(copy.destination, ToMailbox):  # routed elsewhere by a filter
                    return
                copies, ended = await self._run(level, stored, [copy], str(copy.destination.recipient))
                self._going[place] = copy = copies[0] if copies else None
                if copy is None or ended:
                    return

    async def _run(self, level: Level, stored: StoredScript, copies: Sequence[Copy], whom: str) -> tuple[list[Copy], bool]:
        form = copies[0].form
        try:
            script = compile_script(stored.text, level.owner.scope)
        except BadValue as error:
            return self._failed(level, stored, whom, error.public, copies)
        destination = copies[0].destination if level.owner.scope != "system" else None
        facts = await self._tools.facts.of(self._transaction, form.view, destination, vacation="vacation" in script.requires)
        lookups = HouseLookups(self._tools.facts.sources, level.owner, level.includes)
        result = await execute(script, facts, lookups, self._limits)
        if result.error:
            return self._failed(level, stored, whom, result.error, copies)
        account_id = level.owner.owner_id if level.owner.scope == "user" else 0
        self._remember(account_id, result)
        if _says_nothing(result):
            return list(copies), False
        run = Run(stored.name, whom, form, facts, result, account_id)
        return await self._actions.carry_out(run, copies)

    def _failed(
        self, level: Level, stored: StoredScript, whom: str, error: str, copies: Sequence[Copy]
    ) -> tuple[list[Copy], bool]:
        _log.warning("script-failed", scope=level.owner.scope, owner=level.owner.owner_id, script=stored.name, error=error)
        reason = Reason(STAGE, stored.name, f"{whom}: the script failed, the message is kept: {error}")
        self._outcome.verdicts.append(Continue(reason))
        return list(copies), False

    def _remember(self, account_id: int, result: Result) -> None:
        if result.remember:
            memories = tuple(Memory(each.kind, each.key, each.expires_at) for each in result.remember)
            self._transaction.memories.append((account_id, memories))

    async def verdicts(self) -> Sequence[Verdict]:
        """The plan is written into the transaction; all that was done and, if nobody keeps a copy, the refusal."""
        outcome = self._outcome
        copies = [*(copy for copy in self._going if copy is not None), *outcome.settled]
        if outcome.refused and all(isinstance(copy.destination, ToNowhere) for copy in copies):
            reply = refusal(outcome.refused[0][1])
            return (*outcome.verdicts, Refuse(reply, Reason(STAGE, "refused", "no recipient keeps a copy")))
        await self._tell_the_sender()
        copies += [Copy(copy.form, ToNowhere(copy.destination.recipient, "refused by filter")) for copy, _ in outcome.refused]
        self._plan(copies)
        self._transaction.afterwards += outcome.mail
        return outcome.verdicts

    async def _tell_the_sender(self) -> None:
        """Of recipients whose filters refuse what others keep (RFC 5429 §2.1)."""
        if not self._outcome.refused:
            return
        told = []
        for copy, reason in self._outcome.refused:
            reply = refusal(reason)
            told.append((copy.destination.recipient, f"{reply.code} {reply.enhanced} {reply.text}"))
        transaction, first = self._transaction, self._forms.first
        about = Acceptance(transaction.trace_id, transaction.started_at, transaction.sender, first.content, first.summary, ())
        notice = await self._tools.notices.refused(about, told)
        if notice is not None:
            transaction.afterwards.append(notice)

    def _plan(self, copies: Sequence[Copy]) -> None:
        """The form that leaves the house, else the first, is the main one: it is what gets signed."""
        by_form: dict[Form, dict[object, Destination]] = {}
        for copy in copies:
            places = by_form.setdefault(copy.form, {})
            places[_identity(copy.destination)] = _merged(places.get(_identity(copy.destination)), copy.destination)
        leaving = next((copy.form for copy in copies if isinstance(copy.destination, ToQueue)), None)
        main = leaving or (self._forms.first if self._forms.first in by_form else next(iter(by_form), self._forms.first))
        transaction = self._transaction
        transaction.content, transaction.summary = main.content, main.summary
        transaction.destinations = list(by_form.pop(main, {}).values())
        transaction.variants = [Variant(form.content, form.summary, tuple(places.values())) for form, places in by_form.items()]


def _says_nothing(result: Result) -> bool:
    """Whether all is as if the script were not there."""
    match result.actions:
        case (Keep(changes=0, flags=None, implicit=True),):
            return True
        case _:
            return False


def _identity(destination: Destination) -> object:
    if isinstance(destination, ToMailbox):
        return destination.account_id, destination.mailbox
    return type(destination), destination.recipient.address.key


def _merged(before: Destination | None, new: Destination) -> Destination:
    """One copy for two that go to the same place; a mailbox's has the flags of both."""
    if not isinstance(before, ToMailbox) or not isinstance(new, ToMailbox):
        return before or new
    flags = tuple(dict.fromkeys((*before.flags, *new.flags)))
    return ToMailbox(before.recipient, before.account_id, before.mailbox, flags, before.account, before.domain_id)
