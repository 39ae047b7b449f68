"""The model of the stress test: a mailbox as the answered commands have made it, and what each client must believe of it.

``Truth`` is exact, mod-sequences included. ``View`` is built from what the server says to one client and nothing else; every
response is checked against it as it comes, and the whole against the truth after each command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from support.stress_clients import Answer, Event

NO_EXPUNGE = ("FETCH", "STORE", "SEARCH", "SORT")


@dataclass(slots=True)
class Mail:
    flags: frozenset[str]
    content: bytes
    mod_seq: int


@dataclass(slots=True)
class Truth:
    """Messages by UID, in their order."""

    mails: dict[int, Mail] = field(default_factory=dict)
    uid_next: int = 1
    mod_seq: int = 1

    def add(self, content: bytes, flags: frozenset[str]) -> int:
        uid, self.uid_next = self.uid_next, self.uid_next + 1
        self.mails[uid] = Mail(flags, content, self.mod_seq)
        return uid

    def store(self, uids: list[int], action: str, flags: frozenset[str]) -> None:
        """What STORE does to messages that exist; one step of the mod-sequence if anything changes."""
        changed = False
        for uid in uids:
            mail = self.mails[uid]
            new = {"+": mail.flags | flags, "-": mail.flags - flags, "": flags}[action]
            if new != mail.flags:
                self.mails[uid] = Mail(new, mail.content, self.mod_seq + 1)
                changed = True
        self.mod_seq += changed

    def remove(self, uids: list[int]) -> None:
        for uid in uids:
            del self.mails[uid]
        self.mod_seq += bool(uids)

    def deleted(self, among: set[int] | None = None) -> list[int]:
        return [uid for uid, mail in self.mails.items() if "\\Deleted" in mail.flags and (among is None or uid in among)]


@dataclass(slots=True)
class Seen:
    """A message as a client knows it; ``uid`` None until it was fetched."""

    uid: int | None = None
    flags: frozenset[str] | None = None


class View:
    """One client's mailbox."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mails: list[Seen] = []

    @property
    def uids(self) -> list[int]:
        return [mail.uid or 0 for mail in self.mails]

    @property
    def unknown(self) -> bool:
        return any(mail.uid is None or mail.flags is None for mail in self.mails)

    def take(self, answer: Answer, *, may_expunge: bool) -> None:
        """Applies an answer's events in their order."""
        for event in answer.events:
            self._take(event, may_expunge=may_expunge)

    def _take(self, event: Event, *, may_expunge: bool) -> None:
        if event.kind == "EXISTS":
            assert event.number >= len(self.mails), f"{self.name}: EXISTS shrinks"
            self.mails += [Seen() for _ in range(event.number - len(self.mails))]
        elif event.kind == "EXPUNGE":
            assert may_expunge, f"{self.name}: EXPUNGE where numbers must not move"
            assert 1 <= event.number <= len(self.mails), f"{self.name}: EXPUNGE {event.number} of {len(self.mails)}"
            del self.mails[event.number - 1]
        elif event.kind in ("VANISHED", "EARLIER"):
            assert may_expunge, f"{self.name}: VANISHED where numbers must not move"
            for uid in event.numbers:
                self._vanish(uid, must_be_known=event.kind == "VANISHED")
        elif event.kind == "FETCH":
            assert 1 <= event.number <= len(self.mails), f"{self.name}: FETCH {event.number} of {len(self.mails)}"
            mail = self.mails[event.number - 1]
            assert event.uid is None or mail.uid in (None, event.uid), f"{self.name}: {event} but UID was {mail.uid}"
            mail.uid = mail.uid or event.uid
            mail.flags = mail.flags if event.flags is None else event.flags

    def _vanish(self, uid: int, *, must_be_known: bool) -> None:
        at = next((at for at, mail in enumerate(self.mails) if mail.uid == uid), None)
        if at is None:  # one that was not fetched yet: it stands between the known ones around it
            low = max((at for at, mail in enumerate(self.mails) if mail.uid is not None and mail.uid < uid), default=-1)
            high = min(
                (at for at, mail in enumerate(self.mails) if mail.uid is not None and mail.uid > uid), default=len(self.mails)
            )
            at = low + 1 if low + 1 < high else None
            assert at is not None or not must_be_known, f"{self.name}: VANISHED {uid} was never there"
        if at is not None:
            del self.mails[at]

    def check(self, truth: Truth, *, ghosts: bool) -> None:
        """Against the truth: the same messages in the same order with the same flags; ``ghosts``: some more may be there."""
        uids = self.uids
        assert uids == sorted(uids), f"{self.name}: order of {uids}"
        gone = [uid for uid in uids if uid not in truth.mails]
        assert ghosts or not gone, f"{self.name}: still has {gone}"
        assert [uid for uid in uids if uid in truth.mails] == list(truth.mails), f"{self.name}: {uids} but {list(truth.mails)}"
        for mail in self.mails:
            if mail.uid in truth.mails:
                right = truth.mails[mail.uid].flags
                assert mail.flags == right, f"{self.name}: UID {mail.uid} has {right}, not {mail.flags}"

    def numbers(self, text: str) -> list[int]:
        """The message numbers that a sequence set means."""
        return _meant(text, list(range(1, len(self.mails) + 1)))

    def chosen_uids(self, text: str, *, uid: bool) -> list[int]:
        """The UIDs that a set means, of the messages in the view."""
        return _meant(text, self.uids) if uid else [self.mails[number - 1].uid or 0 for number in self.numbers(text)]


def _meant(text: str, there: list[int]) -> list[int]:
    if not there:
        return []
    chosen: set[int] = set()
    for part in text.split(","):
        ends = [there[-1] if end == "*" else int(end) for end in part.split(":")]
        chosen.update(number for number in there if min(ends) <= number <= max(ends))
    return [number for number in there if number in chosen]


def is_out_of_range(text: str, count: int) -> bool:
    """Whether the server answers BAD: a range without ``*`` that begins beyond the last message."""
    return any("*" not in part and min(map(int, part.split(":"))) > count for part in text.split(","))


def code_of(answer: Answer) -> str:
    """The response code of the tagged answer."""
    match = re.match(r"\[([^\]]*)\]", answer.text)
    return match[1] if match else ""
