"""Messages that are held back in a quarantine, one for each recipient (QTN-1), and what is remembered of how they came."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Origin, ToMailbox, ToQueue
from posthouse.model.verdict import QuarantineKind


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """``name`` is the quarantine's (``model.plan.ToQuarantine``). ``account_id`` is the local account it was for, 0 for none;
    ``account`` its address. ``onward`` is where it goes when it is released, None: that is looked up then. ``author`` and
    ``subject`` are its header's, for lists. ``body_id`` names its content. Times in seconds since 1970; ``release_at`` 0: it
    does not go on by itself.
    """

    held_id: int
    trace_id: str
    kind: QuarantineKind
    name: str
    recipient: Recipient
    account_id: int
    account: str
    onward: ToMailbox | ToQueue | None
    sender: Sender
    origin: Origin
    stage: str
    rule: str
    why: str
    body_id: int
    size_bytes: int
    received_at: float
    held_at: float
    release_at: float
    author: str
    subject: str

    @property
    def is_from_known_sender(self) -> bool:
        """Whether the envelope's sender is who it says, so that a notice to it troubles no bystander."""
        return self.origin.trusted or self.origin.spf == "pass"


@dataclass(frozen=True, slots=True)
class HeldQuery:
    """All given conditions must hold. ``recipient`` is a glob on the recipient's address or account, in lower case; ``text`` a
    part of subject, author or sender, without regard to case. ``domain`` is the recipients'. ``trace_id`` "" is any.
    ``before_id`` pages: only what was held before that one; 0 is the beginning. The newest come first."""

    kind: QuarantineKind | None = None
    name: str = ""
    recipient: str = ""
    domain: str = ""
    account_id: int | None = None
    text: str = ""
    trace_id: str = ""
    since: float | None = None
    until: float | None = None
    before_id: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class HeldCount:
    """What one quarantine holds; ``oldest_at`` is when the oldest came. Of personal ones there is one count for all together,
    with ``name`` ""."""

    kind: QuarantineKind
    name: str
    messages: int
    size_bytes: int
    oldest_at: float
