"""What a stage answers: one small value with its reason. Every verdict is recorded under the message's trace id.

The log, the reports, message tracing, digests and rehearsal all read that one record, so ``Reason.detail`` is written for
an administrator: plain words and facts, never secrets.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from posthouse.model.address import Address

QuarantineKind = Literal["outbreak", "virus", "filter", "junk"]
"""QTN-1: held until signatures are newer; never released as it is; one a policy, for its administrators; a user's own."""


class Reason(Struct, frozen=True):
    """Who decided, by which rule, on what facts. ``stage`` and ``rule`` are fixed words, ``detail`` is free."""

    stage: str
    rule: str
    detail: str = ""


class Reply(Struct, frozen=True):
    """An SMTP reply: code, RFC 3463 enhanced code, text (one line, no CR or LF)."""

    code: int
    enhanced: str
    text: str


class Continue(Struct, frozen=True):
    """Go on. Recorded when a rule looked and found nothing wrong and that is worth telling."""

    reason: Reason


class Tag(Struct, frozen=True):
    """Add a header to the message."""

    name: str
    value: str
    reason: Reason


class Score(Struct, frozen=True):
    """Add points on the one spam scale (CON-8: 50 is spam)."""

    points: float
    reason: Reason


class Delay(Struct, frozen=True):
    """Hold back the reply for ``seconds``, holding neither a thread nor another session (tarpit)."""

    seconds: float
    reason: Reason


class Refuse(Struct, frozen=True):
    """A permanent reply, 5xx (or 421 to end the connection at once)."""

    reply: Reply
    reason: Reason


class Defer(Struct, frozen=True):
    """A temporary reply, 4xx."""

    reply: Reply
    reason: Reason


class Hold(Struct, frozen=True):
    """Into a quarantine instead of on its way, for every recipient (QTN-1). ``name`` "": that of the kind. ``release_at`` is
    when it goes on by itself, in seconds since the epoch, 0: never. What filters were given already is held too."""

    kind: QuarantineKind
    reason: Reason
    name: str = ""
    release_at: float = 0.0


class Discard(Struct, frozen=True):
    """Accept and drop."""

    reason: Reason


class Redirect(Struct, frozen=True):
    """To another address instead."""

    address: Address
    reason: Reason


class Copy(Struct, frozen=True):
    """To another address as well, secretly."""

    address: Address
    reason: Reason


Verdict = Continue | Tag | Score | Delay | Refuse | Defer | Hold | Discard | Redirect | Copy
Final = (Refuse, Defer, Discard)


def ends(verdict: Verdict) -> bool:
    """Whether no later stage is asked any more. After Hold the one that carries out the plan is."""
    return isinstance(verdict, Final)
