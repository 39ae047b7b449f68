"""Rehearsal: recorded traffic walked through the policy as it is and as it would be (PLN-3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.model.senders import EntryKind

Dns = Literal["none", "live"]
"""``none``: as if nobody published anything and every domain existed; ``live``: DNS is asked, once for each question."""


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """One mail transaction as it came: who brought what from whom to whom. ``content`` is the message without this node's trace
    fields. ``source`` names it for people; ``trace_id`` "" if it is not known. ``protocol`` is Received's word. ``dns`` are
    answers that hold for it: ("mx elsewhere.test", ("10 mx.elsewhere.test",))."""

    source: str
    at: float
    client: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    service: str = "smtp"
    helo: str = ""
    host: str = ""
    account: str = ""
    protocol: str = "ESMTP"
    trace_id: str = ""
    dns: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ScriptChange:
    """Another text for all active scripts of an owner; "" is none. ``owner`` is "" (the system), a domain or an address."""

    owner: str
    text: str


@dataclass(frozen=True, slots=True)
class ListChange:
    """One more entry of a list of senders. ``owner`` as above."""

    owner: str
    kind: EntryKind
    pattern: str


@dataclass(frozen=True, slots=True)
class ProposedPolicy:
    """What would be different. ``settings`` are (key, rendered value)."""

    settings: tuple[tuple[str, str], ...] = ()
    scripts: tuple[ScriptChange, ...] = ()
    lists: tuple[ListChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where the recorded traffic comes from; the first that is given. ``path`` is a file or folder on the node: an mbox, a
    Maildir, or recorded sessions. ``account`` and ``mailbox``: stored mail. Otherwise traced mail since then, as far as it is
    still stored. ``recipient`` is for what does not say whom it was for."""

    path: str = ""
    account: str = ""
    mailbox: str = "INBOX"
    since: float = 0.0
    recipient: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """``engines``: virus and spam engines outside are asked too. ``at`` is now, for mail without a time."""

    proposed: ProposedPolicy
    traffic: Traffic
    at: float
    dns: Dns = "none"
    engines: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One recipient of one message who would be treated differently. ``why`` are the steps that only the one or the other way
    had."""

    source: str
    trace_id: str
    sender: str
    recipient: str
    subject: str
    now: str
    then: str
    why: str


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """``messages`` were walked both ways, for ``recipients`` in all; ``skipped`` tells what could not be, bounded."""

    messages: int
    recipients: int
    seconds: float
    differences: tuple[Difference, ...]
    skipped: tuple[str, ...] = ()
