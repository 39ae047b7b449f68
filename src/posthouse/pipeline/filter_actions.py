"""Carries out what one run of a script wants done with the copies that it was run for (CON-2). Part of stage ``filters``.

Nothing is sent or stored here: copies are settled, go on to the next script, or are refused; messages are written for later.
No mail is lost over an action that cannot be done: the copy is then kept, and the trace says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from posthouse.base import log
from posthouse.base.errors import AlreadyExists, BadValue, Permanent
from posthouse.content.sieve import Facts, Result, actions
from posthouse.interfaces.mailstore import MailStore
from posthouse.model import verdict
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient
from posthouse.model.mailbox import INBOX, SpecialUse
from posthouse.model.mailbox_name import normal_name
from posthouse.model.plan import Acceptance, ToMailbox, ToNowhere, ToQueue
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.filter_forms import Copy, Form, Forms
from posthouse.pipeline.filter_mail import FilterMail
from posthouse.pipeline.filter_words import told

STAGE = "filters"
SPECIAL_USES: tuple[SpecialUse, ...] = get_args(SpecialUse)
_log = log.get(STAGE)


@dataclass(slots=True)
class Outcome:
    """What all runs have decided so far. ``refused``: copies, each with the reason of its filter."""

    settled: list[Copy] = field(default_factory=list)
    refused: list[tuple[Copy, str]] = field(default_factory=list)
    mail: list[Acceptance] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """One script that was run: its name, for whom (for the trace), on which form, on what facts; ``account_id`` of a user's."""

    script: str
    whom: str
    form: Form
    facts: Facts
    result: Result
    account_id: int = 0


@dataclass(slots=True)
class Next:
    """What becomes of the copies of a run. ``keep`` None: they do not go on, unless they are among ``passing``, which an action
    does not concern. ``elsewhere``: there is a copy, or an answer, in their stead. ``final``: no later script looks."""

    keep: actions.Keep | None = None
    must_keep: bool = False
    passing: list[Copy] = field(default_factory=list)
    next_hop: str = ""
    final: bool = False
    elsewhere: bool = False


class Actions:
    """For one message; ``max_hops`` bounds the Received fields of what is redirected."""

    def __init__(self, forms: Forms, mail: FilterMail, store: MailStore, max_hops: int, outcome: Outcome) -> None:
        self._forms = forms
        self._mail = mail
        self._store = store
        self._max_hops = max_hops
        self._outcome = outcome

    async def carry_out(self, run: Run, copies: Sequence[Copy]) -> tuple[list[Copy], bool]:
        """The copies that go on, and whether no later script may look at them. Raises Temporary."""
        ahead = Next()
        for action in run.result.actions:
            await self._one(action, run, copies, ahead)
        on = list(copies) if ahead.keep is not None or ahead.must_keep else ahead.passing
        if on:
            keep = ahead.keep or actions.Keep(0, 0, None, implicit=True)
            return [await self._kept(copy, run, keep, ahead.next_hop) for copy in on], ahead.final
        if not ahead.elsewhere:
            why = f"dropped by {run.script}"
            self._outcome.settled += [Copy(run.form, ToNowhere(copy.destination.recipient, why)) for copy in copies]
        return [], True

    async def _one(self, action: actions.Action, run: Run, copies: Sequence[Copy], ahead: Next) -> None:
        if isinstance(action, actions.Keep):
            ahead.keep = ahead.keep or action
            self._note(run, action)
        elif isinstance(action, actions.FileInto):
            await self._file(action, run, copies, ahead)
        elif isinstance(action, (actions.Redirect, actions.Wiretap)):
            await self._redirect(action, run, ahead)
        elif isinstance(action, actions.Reject):
            self._outcome.refused += [(copy, action.reason) for copy in copies]
            ahead.elsewhere = True
            self._note(run, action)
        elif isinstance(action, (actions.Vacation, actions.Notify, actions.Excerpt)):
            await self._send(action, run)
        else:
            self._policy(action, run, ahead)

    async def _kept(self, copy: Copy, run: Run, keep: actions.Keep, next_hop: str) -> Copy:
        form = await self._form(run, keep)
        destination = copy.destination
        if next_hop and not isinstance(destination, ToNowhere):
            return Copy(form, ToQueue(destination.recipient, next_hop), copy.place)
        if keep.flags and isinstance(destination, ToMailbox):
            destination = replace(destination, flags=tuple(dict.fromkeys((*destination.flags, *keep.flags))))
        return Copy(form, destination, copy.place)

    async def _file(self, action: actions.FileInto, run: Run, copies: Sequence[Copy], ahead: Next) -> None:
        """Into a mailbox of each local recipient; what goes elsewhere goes on."""
        form = await self._form(run, action)
        for copy in copies:
            destination = copy.destination
            if not isinstance(destination, ToMailbox):
                ahead.passing.append(copy)
                continue
            name = await self._mailbox(action, destination.account_id, run)
            filed = replace(destination, mailbox=name, flags=action.flags or ())
            self._outcome.settled.append(Copy(form, filed))
            ahead.elsewhere = True
        self._note(run, action)

    async def _mailbox(self, action: actions.FileInto, account_id: int, run: Run) -> str:
        """The mailbox's name, made if the script says so; INBOX for one that cannot be (RFC 5490 §3.2, RFC 8579, RFC 9042)."""
        wanted = action.special_use.lower()
        if action.mailbox_id or wanted:
            for box in await self._store.mailboxes(account_id):
                if box.object_id == action.mailbox_id or (box.special_use and box.special_use.lower() == wanted):
                    return box.name
        try:
            name = normal_name(action.mailbox)
            if action.create and await self._store.mailbox(account_id, name) is None:
                use = next((known for known in SPECIAL_USES if known.lower() == wanted), SPECIAL_USES[0])
                await self._store.create(account_id, name, use)
        except AlreadyExists:
            return name
        except Permanent as error:
            self._tell(run, f"cannot file into {action.mailbox}: {error.public}; it goes to {INBOX}")
            return INBOX
        return name

    async def _redirect(self, action: actions.Redirect | actions.Wiretap, run: Run, ahead: Next) -> None:
        """With the sender unchanged; local targets get it in their mailbox without their scripts, so nothing goes round."""
        try:
            address = Address.parse(action.address)
        except ValueError as error:
            return self._cannot(action, run, ahead, str(error))
        if run.form.summary.count("received") > self._max_hops // 2:
            return self._cannot(action, run, ahead, "it has been sent on too often")
        destinations = await self._mail.onward(Recipient(address))
        if not destinations:
            return self._cannot(action, run, ahead, "the address leads nowhere")
        form = await self._form(run, action)
        forwarder = run.facts.recipient or next(iter(run.facts.recipients), "")
        for destination in destinations:
            sent_on = replace(destination, original=forwarder) if isinstance(destination, ToQueue) else destination
            self._outcome.settled.append(Copy(form, sent_on))
        kind = verdict.Redirect if isinstance(action, actions.Redirect) else verdict.Copy
        ahead.elsewhere = ahead.elsewhere or isinstance(action, actions.Redirect)
        self._outcome.verdicts.append(kind(address, Reason(STAGE, run.script, f"{run.whom}: {told(action)}")))
        return None

    def _cannot(self, action: actions.Action, run: Run, ahead: Next, why: str) -> None:
        """Not done; the recipient gets the message instead."""
        ahead.must_keep = ahead.must_keep or isinstance(action, actions.Redirect)
        _log.warning("action-not-done", script=run.script, whom=run.whom, action=told(action), why=why)
        self._tell(run, f"not done, it is kept: {told(action)}: {why}")

    async def _send(self, action: actions.Vacation | actions.Notify | actions.Excerpt, run: Run) -> None:
        try:
            written = await self._mail.written(action, run.facts, run.account_id)
        except (ValueError, BadValue) as error:
            return self._tell(run, f"not done: {told(action)}: {error}")
        if written is None:
            return self._tell(run, f"not done: {told(action)}: the address leads nowhere")
        self._outcome.mail.append(written)
        return self._note(run, action)

    def _policy(self, action: actions.Action, run: Run, ahead: Next) -> None:
        """Actions on the way onward."""
        if isinstance(action, actions.Score):
            before = run.facts.score or 0.0
            points = action.points - before if action.absolute else action.points
            self._outcome.verdicts.append(verdict.Score(points, Reason(STAGE, run.script, f"{run.whom}: {told(action)}")))
        elif isinstance(action, actions.Route):
            ahead.next_hop = action.next_hop
            self._note(run, action)
        elif isinstance(action, actions.DeliverNow):
            ahead.final = True
            self._note(run, action)
        elif isinstance(action, actions.Discard):
            self._note(run, action)
        else:
            ahead.must_keep = ahead.must_keep or isinstance(action, actions.Quarantine)
            _log.warning("action-not-available", script=run.script, whom=run.whom, action=told(action))
            self._tell(run, f"{told(action)} is not available, the message goes on without it")

    async def _form(self, run: Run, action: actions.Action) -> Form:
        return await self._forms.changed(run.form, run.result.changes[: action.changes])

    def _note(self, run: Run, action: actions.Action) -> None:
        self._tell(run, told(action))

    def _tell(self, run: Run, words: str) -> None:
        self._outcome.verdicts.append(Continue(Reason(STAGE, run.script, f"{run.whom}: {words}")))
