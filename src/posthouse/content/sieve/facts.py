"""What a run of a script may know: plain facts, and questions that only others can answer.

A script runs without waiting. When it meets a question that ``Facts.answers`` has no answer to, the run breaks off with
``Unanswered``; ``runner.execute`` asks, and runs it again from its start: runs have no effects, so that is harmless, and
scripts that ask nothing pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Literal, Protocol

from posthouse.base.clock import SystemClock
from posthouse.content.sieve.message import MessageView

Location = Literal["personal", "global"]
Verdict = Literal["", "none", "neutral", "pass", "fail", "softfail", "policy", "temperror", "permerror"]


@dataclass(frozen=True, slots=True)
class MailboxExists:
    """Whether the owner has this mailbox and may file into it (RFC 5490). Answer: bool."""

    name: str


@dataclass(frozen=True, slots=True)
class SpecialUseExists:
    """Whether the mailbox ("" any) has this use, ``\\Junk`` (RFC 8579). Answer: bool."""

    mailbox: str
    use: str


@dataclass(frozen=True, slots=True)
class MailboxIdExists:
    """Whether the owner has a mailbox of this MAILBOXID (RFC 9042). Answer: bool."""

    mailbox_id: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """Whether this key was remembered and has not expired (RFC 7352, RFC 5230). Answer: bool."""

    kind: Literal["duplicate", "vacation"]
    key: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The codes (``127.0.0.2``) of an address or domain in a DNS block list, empty if it is not there. Answer: tuple of str."""

    zone: str
    what: str


@dataclass(frozen=True, slots=True)
class InGroup:
    """Whether the address belongs to a group or distribution list of the directory, by way of others too. Answer: bool."""

    address: str
    group: str


@dataclass(frozen=True, slots=True)
class InAddressBook:
    """Whether the address is in the owner's address book of this name: "directory" is the site's, "" is any. Answer: bool."""

    address: str
    book: str


@dataclass(frozen=True, slots=True)
class WordListNamed:
    """The word list of this name. Answer: ``wordlists.WordList`` or None."""

    name: str


@dataclass(frozen=True, slots=True)
class IncludedScript:
    """The text of a script to be included (RFC 6609). Answer: str or None."""

    location: Location
    name: str


Question = (
    MailboxExists | SpecialUseExists | MailboxIdExists | Remembered | Listed | InGroup | InAddressBook | WordListNamed
    | IncludedScript
)  # fmt: skip


class Unanswered(Exception):
    """The run needs this first."""

    def __init__(self, question: Question) -> None:
        super().__init__(repr(question))
        self.question = question


class Lookups(Protocol):
    """Who answers. A failure to find out raises MailError; the run then ends with that error, and the message is kept."""

    async def answer(self, question: Question) -> object:
        """The answer, of the type that the question's docstring names."""
        ...


@dataclass(slots=True)
class Facts:
    """``sender`` and ``recipient`` are the envelope's ("" is the null sender; ``recipient`` "" while there are several, in
    system scripts, which then see ``recipients``). ``owner`` is the main address of the script's user, ``own_addresses`` all of
    them; ``recipient_is_own`` says whether ``recipient`` is one too, or a list's. ``account`` is who authenticated in this
    session.

    ``score`` is None before scoring; ``virus`` RFC 5235's 0 (not tested) to 5. ``answers`` may be filled beforehand.
    ``steady`` is a clock for the limit on time. ``delimiter`` splits user and detail (RFC 5233).
    """

    message: MessageView
    now: float
    sender: str = ""
    recipient: str = ""
    recipients: tuple[str, ...] = ()
    envelope_auth: str = ""
    owner: str = ""
    own_addresses: tuple[str, ...] = ()
    recipient_is_own: bool = True
    client_address: str = ""
    client_host: str = ""
    helo: str = ""
    account: str = ""
    direction: Literal["in", "out"] = "in"
    score: float | None = None
    virus: int = 0
    spf: Verdict = ""
    dkim: Verdict = ""
    dmarc: Verdict = ""
    zone: tzinfo = UTC
    delimiter: str = "+"
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: dict[Question, object] = field(default_factory=dict)
    steady: Callable[[], float] = field(default_factory=lambda: SystemClock().steady)
