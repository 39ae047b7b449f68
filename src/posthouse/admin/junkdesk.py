"""What operations about spam work with, all together: one field of the context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posthouse.interfaces.junk import JunkBook, JunkBookWriter
from posthouse.interfaces.senders import SenderLists, SenderListsWriter

if TYPE_CHECKING:  # a command must start quickly
    from posthouse.content.training import Trainer
    from posthouse.interfaces.mail_source import MailPlaces
    from posthouse.model.spam import ScoredMail, SpamReport


@dataclass(frozen=True, slots=True)
class SpamEngines:
    """``reports`` asks every engine about a message, which counts for nothing; ``known`` tells what one has learnt;
    ``forget`` drops what an account has taught."""

    trainer: Trainer
    places: MailPlaces
    reports: Callable[[ScoredMail], Awaitable[Sequence[SpamReport]]]
    known: Callable[[str], Awaitable[str]]
    forget: Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JunkDesk:
    """Lists of senders (CON-12), what was said about spam (CON-11, CON-13), and the engines; None where there are none."""

    senders: SenderLists
    senders_writer: SenderListsWriter
    book: JunkBook
    book_writer: JunkBookWriter
    engines: SpamEngines | None = None

    def forgetting(self) -> Sequence[Callable[[int], Awaitable[None]]]:
        """What an account that is deleted must be forgotten by."""
        return () if self.engines is None else (self.engines.forget,)
