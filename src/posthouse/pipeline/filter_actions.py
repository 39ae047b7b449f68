"""Carries out what one run of a script wants done with the copies that it was run for (CON-2). Part of the filter stages.

Nothing is sent or stored here: copies stay open, are settled, held or refused; messages are written for later. No mail is lost
over an action that cannot be done: the copy is then kept, and the trace says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from posthouse.model.plan import Destination, ToMailbox, ToNowhere, ToQueue
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.copies import Copy, Form, Forms
from posthouse.pipeline.filter_mail import FilterMail
from posthouse.pipeline.filter_words import refusal, told
from posthouse.pipeline.transaction import Transaction

SPECIAL_USES: tuple[SpecialUse, ...] = get_args(SpecialUse)
PRIORITY = "priority-filters"
DELAYED = "delayed"
"""The quarantine of what a filter holds back for a time."""
_log = log.get("filters")


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
    """What becomes of the copies of a run. ``keep`` None: they are dropped, unless an action has disposed of them.
    ``final``: no later check looks at them. ``points`` are those that it has given so far."""

    keep: actions.Keep | None = None
    must_keep: bool = False
    hold: actions.Quarantine | None = None
    delay_s: int = 0
    next_hop: str = ""
    points: float = 0.0
    verified_tls: bool = False
    final: bool = False
    filed: bool = False
    redirected: bool = False

    def spares(self, destination: Destination) -> bool:
        """Whether a copy that no script kept was disposed of all the same: filed, or sent elsewhere in its stead."""
        return self.redirected or (self.filed and isinstance(destination, ToMailbox))


class Actions:
    """For the runs of one stage on one message; ``max_hops`` bounds the Received fields of what is redirected."""

    def __init__(
        self,
        stage: str,
        transaction: Transaction,
        mail: FilterMail,
        store: MailStore,
        max_hops: int,
        forms: Forms,
        verdicts: list[Verdict],
    ) -> None:
        self._stage = stage
        self._transaction = transaction
        self._mail = mail
        self._store = store
        self._max_hops = max_hops
        self._forms = forms
        self._verdicts = verdicts

    async def carry_out(self, run: Run, copies: Sequence[Copy]) -> bool:
        """Whether no later check may look at the copies. Raises Temporary."""
        wanted = run.result.actions
        ahead = Next(hold=next((each for each in wanted if isinstance(each, actions.Quarantine)), None))
        for action in wanted:
            await self._one(action, run, copies, ahead)
        if ahead.hold is not None:
            await self._hold(ahead.hold, run, copies)
            return False
        for copy in copies:
            if copy.is_open:
                await self._go_on(copy, run, ahead)
        return ahead.final

    async def _one(self, action: actions.Action, run: Run, copies: Sequence[Copy], ahead: Next) -> None:
        if isinstance(action, actions.Keep):
            ahead.keep = ahead.keep or action
            self._note(run, action)
        elif isinstance(action, actions.FileInto):
            await self._file(action, run, copies, ahead)
        elif isinstance(action, (actions.Redirect, actions.Wiretap)):
            await self._redirect(action, run, ahead)
        elif isinstance(action, actions.Reject):
            for copy in copies:
                self._transaction.refuse(copy, refusal(action.reason), "refused by filter")
            self._note(run, action)
        elif isinstance(action, (actions.Vacation, actions.Notify, actions.Excerpt)):
            await self._send(action, run, copies)
        else:
            self._policy(action, run, copies, ahead)

    async def _go_on(self, copy: Copy, run: Run, ahead: Next) -> None:
        """One copy that no action has disposed of: on along the path, held back for a time, gone elsewhere, or dropped."""
        keep = ahead.keep
        if keep is None and not ahead.must_keep:
            if ahead.spares(copy.destination):
                self._transaction.copies.remove(copy)
                copy.is_open = False
                return
            if not ahead.filed:
                copy.drop(f"dropped by {run.script}")
                return
        keep = keep or actions.Keep(0, 0, None, implicit=True)
        copy.form = await self._form(run, keep)
        destination = copy.destination
        if ahead.next_hop and not isinstance(destination, ToNowhere):
            copy.destination = ToQueue(destination.recipient, ahead.next_hop)
        elif keep.flags and isinstance(destination, ToMailbox):
            flags = tuple(dict.fromkeys((*destination.flags, *keep.flags)))
            copy.destination = replace(destination, flags=flags)
        if ahead.verified_tls and isinstance(copy.destination, ToQueue):
            recipient = replace(copy.destination.recipient, verified_tls=True)
            copy.destination = replace(copy.destination, recipient=recipient)
        if ahead.delay_s:
            reason = Reason(self._stage, run.script, f"{run.whom}: held back for {ahead.delay_s} s")
            copy.hold("filter", reason, name=DELAYED, release_at=run.facts.now + ahead.delay_s)
        copy.is_open = copy.is_open and not ahead.final

    async def _hold(self, action: actions.Quarantine, run: Run, copies: Sequence[Copy]) -> None:
        """Whatever else the script keeps or files: what is held back for a recipient reaches no mailbox of theirs."""
        form = await self._form(run, action)
        reason = Reason(self._stage, run.script, f"{run.whom}: {told(action)}")
        for copy in copies:
            copy.form = form
            copy.hold("filter", reason, name=action.name)
        self._verdicts.append(Continue(reason))

    async def _file(self, action: actions.FileInto, run: Run, copies: Sequence[Copy], ahead: Next) -> None:
        """Into a mailbox of each local recipient; what goes elsewhere goes on."""
        if ahead.hold is not None:
            return
        form = await self._form(run, action)
        for copy in copies:
            destination = copy.destination
            if isinstance(destination, ToMailbox):
                name = await self._mailbox(action, destination.account_id, run)
                filed = replace(destination, mailbox=name, flags=action.flags or ())
                self._transaction.copies.append(Copy(form, filed, is_open=False))
        ahead.filed = True
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
            self._transaction.copies.append(Copy(form, sent_on, is_open=False))
        kind = verdict.Redirect if isinstance(action, actions.Redirect) else verdict.Copy
        ahead.redirected = ahead.redirected or isinstance(action, actions.Redirect)
        self._verdicts.append(kind(address, Reason(self._stage, run.script, f"{run.whom}: {told(action)}")))
        return None

    def _cannot(self, action: actions.Action, run: Run, ahead: Next, why: str) -> None:
        """Not done; the recipient gets the message instead."""
        ahead.must_keep = ahead.must_keep or isinstance(action, actions.Redirect)
        _log.warning("action-not-done", script=run.script, whom=run.whom, action=told(action), why=why)
        self._tell(run, f"not done, it is kept: {told(action)}: {why}")

    async def _send(
        self, action: actions.Vacation | actions.Notify | actions.Excerpt, run: Run, copies: Sequence[Copy]
    ) -> None:
        if isinstance(action, actions.Vacation) and all(copy.is_junk for copy in copies):
            return self._tell(run, f"not done: {told(action)}: junk is not answered")
        try:
            written = await self._mail.written(action, run.facts, run.account_id)
        except (ValueError, BadValue) as error:
            return self._tell(run, f"not done: {told(action)}: {error}")
        if written is None:
            return self._tell(run, f"not done: {told(action)}: the address leads nowhere")
        if self._transaction.sender.require_tls:  # RFC 8689 §6: what answers it is protected as it is
            written = replace(written, sender=replace(written.sender, require_tls=True))
        self._transaction.afterwards.append(written)
        return self._note(run, action)

    def _policy(self, action: actions.Action, run: Run, copies: Sequence[Copy], ahead: Next) -> None:
        """Actions on the way onward."""
        if isinstance(action, actions.Score):
            self._score(action, run, copies, ahead)
        elif isinstance(action, actions.Route):
            ahead.next_hop = action.next_hop
            self._note(run, action)
        elif isinstance(action, actions.Delay):
            ahead.delay_s = action.seconds
            self._note(run, action)
        elif isinstance(action, actions.RequireTls):
            ahead.verified_tls = True
            self._note(run, action)
        elif isinstance(action, actions.DeliverNow):
            ahead.final = True
            self._note(run, action)
        elif isinstance(action, actions.Discard):
            self._note(run, action)

    def _score(self, action: actions.Score, run: Run, copies: Sequence[Copy], ahead: Next) -> None:
        """A system filter's points are the message's; others count for the one copy."""
        points = action.points - (run.facts.score or 0.0) - ahead.points if action.absolute else action.points
        ahead.points += points
        if self._stage != PRIORITY:
            for copy in copies:
                copy.points += points
            self._note(run, action)
        else:
            self._verdicts.append(verdict.Score(points, Reason(self._stage, run.script, f"{run.whom}: {told(action)}")))

    async def _form(self, run: Run, action: actions.Action) -> Form:
        return await self._forms.changed(run.form, run.result.changes[: action.changes])

    def _note(self, run: Run, action: actions.Action) -> None:
        self._tell(run, told(action))

    def _tell(self, run: Run, words: str) -> None:
        self._verdicts.append(Continue(Reason(self._stage, run.script, f"{run.whom}: {words}")))
