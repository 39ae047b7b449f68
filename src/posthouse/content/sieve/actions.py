"""What a script wants done: plain values, in order, for whoever carries them out. Nothing here does anything.

``Result.actions`` is complete: an implicit keep stands in it as a ``Keep``, so an empty list means that nothing is kept.
``Action.changes`` tells how many of ``Result.changes`` were in force when it was taken (RFC 5293 §6): the message it
stores or sends is the original with the first so many changes made (``changes.apply``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Action:
    """``line`` of the script, for the reason in the trace."""

    line: int
    changes: int


@dataclass(frozen=True, slots=True)
class Keep(Action):
    """Into the inbox, or on along the path (RFC 5228 §4.3). ``flags`` None: the script says nothing of flags."""

    flags: tuple[str, ...] | None = None
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class FileInto(Action):
    """Into a mailbox (RFC 5228 §4.1); ``create`` makes it (RFC 5490), ``special_use`` and ``mailbox_id`` go before the name if
    there is such a mailbox (RFC 8579, RFC 9042)."""

    mailbox: str
    flags: tuple[str, ...] | None = None
    create: bool = False
    special_use: str = ""
    mailbox_id: str = ""


@dataclass(frozen=True, slots=True)
class Redirect(Action):
    """To another address (RFC 5228 §4.2). The message goes out with the sender unchanged."""

    address: str


@dataclass(frozen=True, slots=True)
class Wiretap(Action):
    """A secret copy: no trace of it in the message or for its recipients (CON-2)."""

    address: str


@dataclass(frozen=True, slots=True)
class Excerpt(Action):
    """A new short message with sender, subject and the beginning of the text (CON-2: SMS-size)."""

    address: str
    max_chars: int


@dataclass(frozen=True, slots=True)
class Reject(Action):
    """Refuse (RFC 5429): in the session if it still can be, else by a notice. ``ereject`` never makes a notice by itself."""

    reason: str
    kind: Literal["reject", "ereject"]


@dataclass(frozen=True, slots=True)
class Discard(Action):
    """Said explicitly; without a Keep or FileInto beside it the message vanishes."""


@dataclass(frozen=True, slots=True)
class Vacation(Action):
    """An answer to the sender (RFC 5230). It was found to be due; send it once the rest is durable, and remember ``key``.

    ``sender`` is the From of the answer, "" for the default; ``mime``: ``reason`` is a whole MIME entity. ``fcc`` "": no copy.
    """

    to: str
    reason: str
    subject: str
    sender: str
    mime: bool
    fcc: str = ""


@dataclass(frozen=True, slots=True)
class Notify(Action):
    """A notification (RFC 5435); ``method`` is a URI whose scheme was found to be known (``mailto:``)."""

    method: str
    message: str
    importance: Literal["1", "2", "3"]
    sender: str
    options: tuple[str, ...]
    fcc: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine(Action):
    """Hold in the named quarantine."""

    name: str


@dataclass(frozen=True, slots=True)
class Score(Action):
    """Add to the spam score, or with ``absolute`` set it (CON-8's scale: 50 is spam)."""

    points: float
    absolute: bool


@dataclass(frozen=True, slots=True)
class Delay(Action):
    """Deliver only after some time."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Route(Action):
    """Send by this next hop: ``host`` or ``host:port``."""

    next_hop: str


@dataclass(frozen=True, slots=True)
class RequireTls(Action):
    """Onward only over verified TLS."""


@dataclass(frozen=True, slots=True)
class DeliverNow(Action):
    """No later check may stop it: neither scanners nor lower filters."""


@dataclass(frozen=True, slots=True)
class Remember:
    """To be kept until ``expires_at`` once the message is accepted: the key of a ``duplicate`` test or of a vacation answer."""

    kind: Literal["duplicate", "vacation"]
    key: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class AddHeader:
    """RFC 5293 §4; ``last``: at the header's end."""

    name: str
    value: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class DeleteHeader:
    """Occurrences of a field, counted from 0 in the header as it is then (RFC 5293 §5)."""

    name: str
    occurrences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TagSubject:
    """``text`` in front of the subject, once."""

    text: str


@dataclass(frozen=True, slots=True)
class AddFooter:
    """At the end of the first plain text, and of the first HTML text, of a message that is neither signed nor encrypted."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplacePart:
    """Another body for the part of this section, "" for the whole message (RFC 5703 §5).

    ``mime``: ``text`` has its own MIME header. ``subject`` and ``sender`` "": as they were; they count for the whole message.
    """

    section: str
    text: str
    mime: bool = False
    subject: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Enclose:
    """The message as an attachment of a new one (RFC 5703 §7)."""

    text: str
    subject: str
    headers: tuple[str, ...]


Change = AddHeader | DeleteHeader | TagSubject | AddFooter | ReplacePart | Enclose


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One test or action of a traced run. ``outcome``: true, false, done, or why not; ``detail`` is the value that matched."""

    line: int
    depth: int
    text: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """``error`` "" unless the run ended in one; then ``actions`` is one implicit keep and ``changes`` is empty.

    ``stopped``: the script said ``stop``, or an action that ends the path; a filter of a later level is still asked.
    """

    actions: tuple[Action, ...]
    changes: tuple[Change, ...] = ()
    remember: tuple[Remember, ...] = ()
    error: str = ""
    stopped: bool = False
    trace: tuple[TraceLine, ...] = ()
