"""One mail transaction on its way: what the stages read and write. Made at MAIL FROM, ended by a reply or by the peer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_authentication import AuthReport, SpfResult
from posthouse.model.plan import Acceptance, Destination, Variant
from posthouse.model.script import Memory
from posthouse.model.session import Session
from posthouse.model.summary import Summary
from posthouse.model.trace import TraceStep
from posthouse.model.verdict import Continue, Copy, Defer, Delay, Discard, Hold, Redirect, Refuse, Reply, Score, Tag, Verdict


@dataclass(slots=True)
class Transaction:
    """``recipients`` are those accepted at RCPT TO; ``refused`` those that were not, with their replies in ``steps``.

    ``content`` and ``summary`` are there from the stages' ``message`` on; ``destinations`` is filled in by route. ``refusal``
    is the last reply that said no. ``delay_s`` sums the Delay verdicts since the last reply. ``tags`` are headers that
    stages want in front; the first ``tags_written`` of them are in ``content``. ``auth`` is what authentication gave, None for
    a peer that is not checked; ``spf`` is its part that was begun with the envelope.

    Filters leave ``variants``, other forms of the message for some recipients; ``afterwards``, messages that follow it
    (answers, notices); ``memories``, what scripts want remembered of it, by account (0: the site).
    """

    trace_id: str
    session: Session
    sender: Sender
    started_at: float
    recipients: list[Recipient] = field(default_factory=list)
    refused: list[Recipient] = field(default_factory=list)
    steps: list[TraceStep] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)
    score: float = 0.0
    delay_s: float = 0.0
    content: bytes = b""
    summary: Summary | None = None
    destinations: list[Destination] = field(default_factory=list)
    resolved: dict[str, tuple[Destination, ...]] = field(default_factory=dict)
    refusal: Reply | None = None
    tags_written: int = 0
    auth: AuthReport | None = None
    spf: asyncio.Task[tuple[SpfResult, SpfResult | None]] | None = None
    variants: list[Variant] = field(default_factory=list)
    afterwards: list[Acceptance] = field(default_factory=list)
    memories: list[tuple[int, tuple[Memory, ...]]] = field(default_factory=list)

    def end(self) -> None:
        """The transaction is over: nothing more will be asked of what was begun for it."""
        if self.spf is not None:
            self.spf.cancel()

    def note(self, at: float, verdict: Verdict, recipient: str = "") -> None:
        """Records a verdict, and takes up what it changes about the message."""
        reason = verdict.reason
        self.steps.append(TraceStep(at, reason.stage, reason.rule, WORDS[type(verdict)], recipient, reason.detail))
        if isinstance(verdict, (Refuse, Defer)):
            self.refusal = verdict.reply
        elif isinstance(verdict, Delay):
            self.delay_s += verdict.seconds
        elif isinstance(verdict, Score):
            self.score += verdict.points
        elif isinstance(verdict, Tag):
            self.tags.append((verdict.name, verdict.value))


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
    Copy: "copy",
}
