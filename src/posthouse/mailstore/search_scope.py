"""What one search runs over, and what it learns on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.interfaces.mailstore import MailReader
from posthouse.interfaces.textindex import Term, TextIndex
from posthouse.mailstore.view import MailboxView

_NOT_FUZZY = 100
Progress = Callable[[int, int], None]
"""Told of work that takes long: how many messages are done, of how many."""


def no_progress(_done: int, _of: int) -> None:
    """For those who do not care."""


@dataclass(frozen=True, slots=True)
class Scope:
    """``saved``: UIDs of the last SEARCH RETURN (SAVE), ``now`` in seconds since 1970. ``index`` None: every candidate is
    looked at. ``answers`` are the index's, ``scores`` those of fuzzy keys by UID; both are filled during the search."""

    store: MailReader
    mailbox_id: int
    view: MailboxView
    keywords: tuple[str, ...]
    now: float
    saved: frozenset[int] = frozenset()
    index: TextIndex | None = None
    progress: Progress = no_progress
    answers: dict[Term, frozenset[int] | None] = field(default_factory=dict)
    scores: dict[int, list[int]] = field(default_factory=dict)

    def relevancy(self, uid: int) -> int:
        """A found message's score from 1 to 100 (RFC 6203 §4); one that no fuzzy key was asked about has the best."""
        scores = self.scores.get(uid)
        return max(1, sum(scores) // len(scores)) if scores else _NOT_FUZZY

    def note(self, uid: int, score: int) -> bool:
        """Keeps a fuzzy key's score of a message; whether it matches at all."""
        if score:
            self.scores.setdefault(uid, []).append(score)
        return bool(score)
