"""Stage ``junk``: the lists of senders, and what happens to spam, recipient by recipient (CON-11, CON-12, CON-13).

Behind the domains' filters and before the users' own. In this order: allowed senders, allowed recipients, blocked senders, the
exclusive filter, points. What was said by user, classes, domain and site decides what spam comes to. Copies that stay open go
on to the user's filters, whose ``keep`` means the place chosen here.

Spam is refused only if nobody keeps a copy: a notice to its sender would hit whoever was forged. Where recipients differ, a
copy that would be refused goes the milder way, into Junk Mail. Mail on its way to other systems goes on as it is, with its
score in the header, unless it is tagged, held or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from posthouse.base.errors import AlreadyExists, Permanent
from posthouse.base.metrics import JUNK
from posthouse.content.sieve.actions import TagSubject
from posthouse.formats import headers
from posthouse.interfaces.junk import JunkBook
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.senders import SenderLists
from posthouse.model.address import Address
from posthouse.model.junk import JunkPolicy, junk_policy
from posthouse.model.mailbox import DEFAULT_MAILBOXES, SpecialUse
from posthouse.model.plan import ToMailbox, ToNowhere, ToQueue
from posthouse.model.settings import Settings
from posthouse.model.spam import CERTAIN_POINTS
from posthouse.model.verdict import Continue, Reason, Reply, Verdict
from posthouse.pipeline.antispam import whose
from posthouse.pipeline.copies import Copy, Forms
from posthouse.pipeline.sender_alignment import Alignment
from posthouse.pipeline.senders import ListReading, ListWord
from posthouse.pipeline.spam_fields import shown
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

STAGE = "junk"
JUNK_USE: SpecialUse = "\\Junk"
JUNK_KEYWORD = "$Junk"
JUNK_NAME = next(name for name, use in DEFAULT_MAILBOXES if use == JUNK_USE)
SPAM = Reply(550, "5.7.1", "This message was refused as spam")
BLOCKED = Reply(550, "5.7.1", "The recipient does not want mail from this sender")


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen to one copy: an action of ``model.junk``, or ``discard``. ``certain``: a rule said so, not points."""

    copy: Copy
    action: str
    rule: str
    why: str
    policy: JunkPolicy
    reply: Reply = SPAM
    certain: bool = False


@dataclass(frozen=True, slots=True)
class JunkTools:
    """What the stage asks beside the settings."""

    lists: SenderLists
    book: JunkBook
    store: MailStore
    resolver: Resolver


class Junk(Stage):
    name = STAGE
    is_check = True

    def __init__(self, settings: Callable[[], Settings], tools: JunkTools) -> None:
        self._settings = settings
        self._tools = tools

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        settings = self._settings()
        alignment = Alignment(self._tools.resolver, transaction.auth, settings.mailauth.timeout_s)
        reading = ListReading(self._tools.lists, transaction, alignment)
        decisions: list[Decision] = []
        told: list[Verdict] = []
        for copy in transaction.open_copies():
            if isinstance(copy.destination, ToQueue) and whose(transaction.session) == "ours":
                continue
            decision, objections = await self._decision(copy, transaction, settings, reading)
            told += [Continue(Reason(STAGE, "not-allowed", f"{_recipient(copy)}: {each}")) for each in objections]
            if decision is not None:
                decisions.append(decision)
        told += await self._carry_out(transaction, decisions)
        return (*told, *transaction.nobody_keeps(STAGE))

    async def _decision(
        self, copy: Copy, transaction: Transaction, settings: Settings, reading: ListReading
    ) -> tuple[Decision | None, Sequence[str]]:
        """None: nothing was said of it."""
        recipient, account = copy.destination.recipient.address, _account(copy)
        policy = junk_policy(await self._tools.book.said(account), settings.junk)
        word = await reading.word(recipient, account)
        return _decided(copy, policy, word, transaction.score, copy.points), word.objections

    async def _carry_out(self, transaction: Transaction, decisions: Sequence[Decision]) -> Sequence[Verdict]:
        gone = {id(decision.copy) for decision in decisions if decision.action in ("reject", "discard")}
        kept = [copy for copy in transaction.copies if not isinstance(copy.destination, ToNowhere)]
        milder = any(id(copy) not in gone for copy in kept)
        forms = Forms(transaction.forms)
        told: list[Verdict] = []
        for decision in decisions:
            JUNK.labels(decision.rule).inc()
            how = await self._done(transaction, decision, forms, milder=milder)
            told.append(Continue(Reason(STAGE, decision.rule, f"{_recipient(decision.copy)}: {decision.why}: {how}")))
        return told

    async def _done(self, transaction: Transaction, decision: Decision, forms: Forms, *, milder: bool) -> str:
        """Carries out one decision; gives what was done, in words."""
        copy, action = decision.copy, decision.action
        if action == "reject" and milder:
            action = "move"
        if action == "deliver":
            return "goes on"
        if action == "reject":
            transaction.refuse(copy, decision.reply, "refused as spam")
            return "refused"
        if action == "discard":
            copy.drop("its sender is blocked")
            return "dropped"
        if action == "quarantine":
            reason = Reason(STAGE, decision.rule, f"{_recipient(copy)}: {decision.why}")
            copy.hold("junk", reason, name=_account(copy).key)
            return "held in the quarantine"
        if action == "move":
            return await self._moved(decision, forms)
        return await self._tagged(decision, forms)

    async def _moved(self, decision: Decision, forms: Forms) -> str:
        destination = decision.copy.destination
        if not isinstance(destination, ToMailbox) or destination.account_id < 0:
            elsewhere = "it goes on, marked in the header"
            return await self._tagged(decision, forms) if decision.certain else elsewhere
        try:
            name = await self._junk_mailbox(destination.account_id)
        except Permanent as error:
            return f"no Junk Mail, and none can be made ({error.public}): {await self._tagged(decision, forms)}"
        flags = destination.flags if decision.rule == "exclusive" else (*destination.flags, JUNK_KEYWORD)
        decision.copy.destination = replace(destination, mailbox=name, flags=flags)
        decision.copy.is_junk = True
        return f"moved into {name}"

    async def _junk_mailbox(self, account_id: int) -> str:
        """Its name, by its use; made if there is none."""
        boxes = await self._tools.store.mailboxes(account_id)
        found = next((box.name for box in boxes if box.special_use == JUNK_USE and box.selectable), None)
        if found is None:
            found = next((box.name for box in boxes if box.name.lower() == JUNK_NAME.lower() and box.selectable), None)
        if found is not None:
            return found
        try:
            return (await self._tools.store.create(account_id, JUNK_NAME, JUNK_USE)).name
        except AlreadyExists:
            return JUNK_NAME

    async def _tagged(self, decision: Decision, forms: Forms) -> str:
        copy, tag = decision.copy, decision.policy.subject_tag
        subject = headers.decode_words(headers.value_of(copy.form.content, copy.form.summary.root, "subject"))
        if tag and not subject.startswith(tag):
            copy.form = await forms.changed(copy.form, [TagSubject(f"{tag} ")])
        return "subject tagged"


def _decided(copy: Copy, policy: JunkPolicy, word: ListWord, score: float | None, extra: float) -> Decision | None:
    points = (score or 0.0) + extra
    if word.kind in ("sender", "recipient"):
        return Decision(copy, "deliver", f"allowed-{word.kind}", word.why, policy)
    if word.kind == "blocked":
        action = policy.blocked if policy.blocked != "junk" else _kept_apart(policy)
        return Decision(copy, action, "blocked-sender", word.why, policy, BLOCKED, certain=True)
    if policy.mode == "exclusive":
        return Decision(copy, _out_of_the_inbox(policy), "exclusive", "only allowed senders reach the inbox", policy, BLOCKED,
                        certain=True)  # fmt: skip
    if points < policy.spam_points and policy.action_for(points) == "deliver":
        return None
    why = f"{shown(points)} of {shown(policy.spam_points)} points"
    if policy.mode == "off":
        return Decision(copy, "deliver", "off", f"{why}, the Junk Mail Filter is off", policy)
    return Decision(copy, policy.action_for(points), "spam", why, policy)


def _kept_apart(policy: JunkPolicy) -> str:
    """What "as junk" means for a blocked sender: certain spam, whatever the points."""
    action = policy.action_for(max(CERTAIN_POINTS, policy.spam_points))
    return action if action != "deliver" else "move"


def _out_of_the_inbox(policy: JunkPolicy) -> str:
    """Strangers' mail of a user with the exclusive filter is no spam yet: it is kept apart, not refused."""
    return "quarantine" if policy.action == "quarantine" else "move"


def _account(copy: Copy) -> Address:
    """Whose lists and terms hold: the account that an address leads to, else the address."""
    destination = copy.destination
    if isinstance(destination, ToMailbox) and destination.account_id > 0 and destination.account:
        return Address.parse(destination.account)
    return destination.recipient.address


def _recipient(copy: Copy) -> str:
    return str(copy.destination.recipient)
