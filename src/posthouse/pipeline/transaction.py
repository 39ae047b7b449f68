"""One mail transaction on its way: what the stages read and write. Made at MAIL FROM, ended by a reply or by the peer.

Until stage ``route`` there is one form of the message, ``content`` and ``summary``. From then on there are ``copies``
(``copies.py``), one for each destination, and a stage does one of these:

- looks at the message: ``content`` and ``summary`` are of the main form, ``forms`` are all there are;
- decides for everyone: returns Refuse, Defer, Discard or Hold, or Tag, which puts a field in front of every form;
- decides for one recipient: ``copy.drop``, ``copy.hold``, another ``copy.destination``, or ``refuse``; then returns what
  ``nobody_keeps`` says among its verdicts;
- changes the message for everyone: ``for form in transaction.forms: form.become(content, summary)``;
- changes it for some: ``copy.form = await Forms(transaction.forms).changed(copy.form, changes)``, with the changes of
  ``content.sieve.actions``.

Whatever concerns where a copy goes (lower filters, junk) is asked of copies that are still ``is_open``; what concerns what is
in the message (scanners) is asked of all forms.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from msgspec import Struct, field

from posthouse.model.block_list import ListHit
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_authentication import AuthReport, SpfResult
from posthouse.model.plan import Acceptance, Destination, Origin, ToNowhere, ToQuarantine, ToQueue
from posthouse.model.script import Memory
from posthouse.model.session import Session
from posthouse.model.spam import RuleHit
from posthouse.model.summary import Summary
from posthouse.model.trace import Timing, TraceStep
from posthouse.model.verdict import (
    Continue,
    Defer,
    Delay,
    Discard,
    Hold,
    Reason,
    Redirect,
    Refuse,
    Reply,
    Score,
    Tag,
    Verdict,
)
from posthouse.model.verdict import Copy as SecretCopy
from posthouse.pipeline.copies import Copy, Form, merged


class Transaction(Struct):
    """``recipients`` are those accepted at RCPT TO; ``refused`` those that were not, with their replies in ``steps``.

    ``first`` is the form that the driver made; ``copies`` are made by route. ``refusal`` is the last reply that said no.
    ``delay_s`` sums the Delay verdicts since the last reply. ``tags`` are headers that stages want in front of every form.
    ``auth`` is what authentication gave, None for a peer that is not checked; ``spf`` is its part that was begun with the
    envelope. ``lists`` asks block lists about the sender's domain and the greeting, ``listed`` is what they said (of the
    client's address: ``session.listed``). ``score`` is on the one spam scale, None until something gave points; ``virus`` is
    RFC 5235's 0 (not tested), 1 (clean), 3 (cured), 4 (perhaps), 5 (infected). ``shares`` are the verdicts that gave points,
    as shares of rules.

    ``held`` says that a stage holds the message: only what carries out the plan is asked then. ``deliver_now`` is a system
    filter's word that no check is to look at it. ``refusals`` are recipients whose copy was refused, with the reply's text;
    ``afterwards`` messages that follow this one (answers, notices); ``memories`` what scripts want remembered of it, by
    account (0: the site). ``held_id`` is the held message that this is, which leaves its quarantine as this becomes durable; 0:
    it comes from outside. ``handed_over`` counts copies that the host behind us has taken already. ``timings`` is None
    when nobody wants to know how long things take.
    """

    trace_id: str
    session: Session
    sender: Sender
    started_at: float
    recipients: list[Recipient] = []
    refused: list[Recipient] = []
    steps: list[TraceStep] = []
    tags: list[tuple[str, str]] = []
    score: float | None = None
    shares: list[RuleHit] = []
    virus: int = 0
    delay_s: float = 0.0
    first: Form = field(default_factory=Form)
    copies: list[Copy] = []
    resolved: dict[str, tuple[Destination, ...]] = {}
    grown: int = 0
    """By how many recipients aliases have grown it."""
    refusal: Reply | None = None
    auth: AuthReport | None = None
    spf: asyncio.Task[tuple[SpfResult, SpfResult | None]] | None = None
    lists: asyncio.Task[tuple[ListHit, ...]] | None = None
    listed: tuple[ListHit, ...] = ()
    held: bool = False
    held_id: int = 0
    deliver_now: bool = False
    refusals: list[tuple[Recipient, Reply]] = []
    afterwards: list[Acceptance] = []
    memories: list[tuple[int, tuple[Memory, ...]]] = []
    handed_over: int = 0
    timings: list[Timing] | None = None

    # --- the message

    @property
    def form(self) -> Form:
        """The main form: that of what leaves the house, else the one that came, else the first there is."""
        copies = self.copies
        if len(copies) <= 1:
            return copies[0].form if copies else self.first
        unchanged = False
        for copy in copies:
            if isinstance(copy.destination, ToQueue):
                return copy.form
            unchanged = unchanged or copy.form is self.first
        return self.first if unchanged else copies[0].form

    @property
    def forms(self) -> Sequence[Form]:
        """Each once; the main form last."""
        main = self.form
        if len(self.copies) <= 1:
            return [main]
        return [*dict.fromkeys(copy.form for copy in self.copies if copy.form is not main), main]

    @property
    def content(self) -> bytes:
        """Of the main form."""
        return self.form.content

    @property
    def summary(self) -> Summary | None:
        """Of the main form; None until the message has come in."""
        return self.form.summary if self.form.is_indexed else None

    # --- where it goes

    @property
    def destinations(self) -> Sequence[Destination]:
        """Of all copies."""
        return [copy.destination for copy in self.copies]

    def plan(self, destinations: Sequence[Destination]) -> None:
        """One open copy, of the form that there is, for each destination."""
        form = self.form
        self.copies = [Copy(form, destination) for destination in destinations]

    def open_copies(self) -> list[Copy]:
        """Those about which lower filters and the disposition of junk may decide."""
        return [copy for copy in self.copies if copy.is_open]

    def refuse(self, copy: Copy, reply: Reply, why: str) -> None:
        """Refuses one recipient's copy. The sender is told in the session if nobody keeps one, else by a notice."""
        self.refusals.append((copy.destination.recipient, reply))
        copy.drop(why)

    def nobody_keeps(self, stage: str) -> Sequence[Verdict]:
        """The refusal of the whole message, when there are refusals and nobody keeps a copy."""
        if self.refusals and all(isinstance(copy.destination, ToNowhere) for copy in self.copies):
            return (Refuse(self.refusals[0][1], Reason(stage, "refused", "no recipient keeps a copy")),)
        return ()

    def units(self) -> Sequence[Acceptance]:
        """What is to be made durable: a unit for each form, the main one last."""
        by_form = merged(self.copies)
        return [
            Acceptance(
                self.trace_id, self.started_at, self.sender, form.content, form.summary, tuple(by_form[form]), self.origin()
            )
            for form in self.forms
            if form in by_form
        ]

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is on its way any more: all of it is held or dropped."""
        if self.held:
            return True
        for copy in self.copies:
            if not isinstance(copy.destination, _STAYS):
                return False
        return bool(self.copies)

    def origin(self) -> Origin:
        """How the message came."""
        session, auth = self.session, self.auth or NOT_CHECKED
        return Origin(
            service=session.service,
            client_address=session.client_address,
            client_host=session.host,
            helo=session.helo,
            account=session.account,
            trusted=session.service != "smtp" or bool(session.account or session.relay) or session.is_loopback,
            spf=auth.spf.result if auth.spf else "",
            dkim=auth.dkim_result,
            dmarc=auth.dmarc.result if auth.dmarc else "",
            score=self.score,
        )

    @property
    def outcome(self) -> str:
        """A word for the record once it is carried out: ``held``, ``discarded`` or ``accepted``."""
        kept = [copy.destination for copy in self.copies if not isinstance(copy.destination, ToNowhere)]
        if not kept and self.copies:
            return "accepted" if self.handed_over else "discarded"
        return "held" if kept and all(isinstance(each, ToQuarantine) for each in kept) else "accepted"

    # --- its end, and what was said of it

    def end(self) -> None:
        """The transaction is over: nothing more will be asked of what was begun for it."""
        for task in (self.spf, self.lists):
            if task is not None:
                task.cancel()

    def took(self, part: str, began_at: float, ended_at: float) -> None:
        """Keeps how long a part of the path took, if anyone wants to know."""
        if self.timings is not None:
            self.timings.append(Timing(part, began_at, ended_at))

    def note(self, at: float, verdict: Verdict, recipient: str = "") -> None:
        """Records a verdict, and takes up what it changes about the message."""
        reason = verdict.reason
        self.steps.append(TraceStep(at, reason.stage, reason.rule, WORDS[type(verdict)], recipient, reason.detail))
        if isinstance(verdict, Continue):
            return
        if isinstance(verdict, Tag):
            self.tags.append((verdict.name, verdict.value))
        elif isinstance(verdict, Score):
            self.score = (self.score or 0.0) + verdict.points
            self.shares.append(_share(verdict))
        elif isinstance(verdict, _NOES):
            self.refusal = verdict.reply
        elif isinstance(verdict, Delay):
            self.delay_s += verdict.seconds
        elif isinstance(verdict, Hold):
            self.held = True
            for copy in self.copies:
                copy.hold(verdict.kind, reason, name=verdict.name, release_at=verdict.release_at)


NOT_CHECKED = AuthReport()
_STAYS = (ToQuarantine, ToNowhere)
_NOES = (Refuse, Defer)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]")
WORDS: dict[type[Verdict], str] = {
    Continue: "pass",
    Tag: "tag",
    Score: "score",
    Delay: "delay",
    Refuse: "refuse",
    Defer: "defer",
    Hold: "hold",
    Discard: "discard",
    Redirect: "redirect",
    SecretCopy: "copy",
}


def _share(verdict: Score) -> RuleHit:
    """The rule's name is made of stage and rule, in capital letters, digits and ``_``."""
    reason = verdict.reason
    rule = _NOT_IN_NAMES.sub("_", f"{reason.stage}_{reason.rule}")
    return RuleHit(rule[:60].upper(), verdict.points, reason.detail[:200])
