"""Hosts that say "slow down": they are left in peace for a while, longer each time, until they take mail again (OUT-6).

Only what speaks of us or of the host counts, not of one mailbox or one message; greylisting is none, since it wants that one
message again. Bounded in number and in time: a host can put off its own mail only, and not for ever.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence

from posthouse.interfaces.courier import Answer
from posthouse.queue.causes import cause_of

FIRST_S = 2.0
LONGEST_S = 60.0
MAX_KNOWN = 10_000

_OF_US = re.compile(r"4\d\d[ -]4\.(?:7\.\d{1,3}|3\.2|4\.5|5\.3)\b")


def is_pushback(answers: Sequence[Answer]) -> bool:
    """Whether all that a host said is that it wants no more mail from us now."""
    return bool(answers) and all(_speaks_of_us(answer) for answer in answers)


def _speaks_of_us(answer: Answer) -> bool:
    if answer.code // 100 != 4:
        return False
    cause = cause_of(answer.text)
    if cause == "greylisted":
        return False
    return answer.code == 421 or cause in ("reputation", "blocked") or _OF_US.match(answer.text) is not None


class Patience:
    """How long each destination is left in peace."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, int] = OrderedDict()

    def rest_s(self, key: str) -> float:
        """After one more pushback of this destination."""
        times = self._times.pop(key, 0)
        self._times[key] = times + 1
        if len(self._times) > MAX_KNOWN:
            self._times.popitem(last=False)
        return float(min(FIRST_S * 2 ** min(times, 20), LONGEST_S))

    def forget(self, key: str) -> None:
        """It takes mail."""
        self._times.pop(key, None)
