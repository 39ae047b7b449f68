"""Destinations that nobody can connect to, or that turn everybody away: one message tries, and what it finds stands for all
that were due by then (OUT-6).

So a million messages for a dead host cost hardly more than one. A message that came due after the last try is never judged by
it: new mail, and what an administrator wants to be tried again, is tried. Only connections count and how they are greeted, not
what a host says of a message, and not what a message asks of it. Bounded in number; nothing here must survive a crash.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from posthouse.interfaces.courier import Answer
from posthouse.queue.turns import Job

TRIES = 3
"""So many in a row must have failed; one may have been unlucky."""
PAUSE_S = 1.0
"""Between two tries while more is waiting."""
MAX_KNOWN = 10_000
NOT_TRIED = " (not tried: another message could not be delivered there just now)"


@dataclass(slots=True)
class _Silence:
    tries: int
    since: float
    answer: Answer


class DeadDestinations:
    """Told of each attempt that ``failed`` to connect and of each destination that ``answered``."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Silence] = OrderedDict()

    def failed(self, key: str, began_at: float, answer: Answer, *, apart_s: float = 0.0) -> bool:
        """Nobody could be connected to by an attempt that began then. True when the destination is dead. Attempts that began
        less than ``apart_s`` after the last one count as one with it."""
        before = self._known.pop(key, None)
        tries = 1
        if before is not None:
            tries = before.tries + (not apart_s or began_at >= before.since + apart_s)
        self._known[key] = _Silence(tries, max(began_at, before.since if before is not None else 0.0), answer)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return tries >= TRIES

    def answered(self, key: str) -> None:
        """It lives."""
        self._known.pop(key, None)

    def answer_for(self, job: Job) -> Answer | None:
        """What trying this one would bring; None when that is not known."""
        silence = self._known.get(job.key)
        if silence is None or silence.tries < TRIES:
            return None
        if any(recipient.next_attempt_at > silence.since for recipient in job.message.recipients):
            return None
        return Answer(silence.answer.code, silence.answer.text + NOT_TRIED)

    def keys(self) -> Iterable[str]:
        """All that did not answer."""
        return tuple(self._known)
