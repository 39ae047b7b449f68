"""Spam engines for tests: one that gives what it is told to, or fails as it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field

from posthouse.base.errors import Temporary
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport


@dataclass(eq=False)
class SaidScorer:
    """``points`` for every message, or what ``rules`` say; ``down``: why it cannot answer. ``asked`` is what it was given."""

    points: float = 0.0
    name: str = "said"
    is_here: bool = False
    down: str = ""
    rules: tuple[RuleHit, ...] = ()
    asked: list[ScoredMail] = field(default_factory=list)

    async def score(self, mail: ScoredMail) -> SpamReport:
        self.asked.append(mail)
        if self.down:
            raise Temporary("A scanner is not available, try again later", cause=self.down)
        hits = self.rules or ((RuleHit("SAID", self.points, "it was told to"),) if self.points else ())
        return SpamReport(self.name, hits)
