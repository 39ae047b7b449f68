"""How many answers a client's network gets over UDP (NET-6): so that nobody can aim our answers at somebody else.

Addresses over UDP can be forged. Past the allowance every other answer is an empty one that says "ask over TCP", which a true
client can and a forged one cannot do; the rest is silence. Memory is bounded: the networks that were silent for longest go
first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto

from posthouse.model.networks import plain_ip

MAX_NETWORKS = 10_000


class Turn(Enum):
    """What a client gets."""

    ANSWER = auto()
    CUT = auto()
    SILENCE = auto()


class Allowance:
    """A bucket a network (/24, /56), filled ``per_second()`` times a second and holding as much. ``steady()`` in seconds."""

    def __init__(self, per_second: Callable[[], int], steady: Callable[[], float]) -> None:
        self._per_second = per_second
        self._steady = steady
        self._buckets: OrderedDict[int, list[float]] = OrderedDict()

    def turn(self, client: str) -> Turn:
        """This machine's own clients always get their answer."""
        ip = plain_ip(client)
        if ip is None:
            return Turn.SILENCE
        if ip.is_loopback:
            return Turn.ANSWER
        key, now, rate = int(ip) >> (8 if ip.version == 4 else 72), self._steady(), float(self._per_second())
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = [rate, now, 0.0]
            if len(self._buckets) > MAX_NETWORKS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        left = min(rate, bucket[0] + (now - bucket[1]) * rate)
        bucket[1] = now
        if left >= 1.0:
            bucket[0] = left - 1.0
            return Turn.ANSWER
        bucket[0] = left
        bucket[2] += 1.0
        return Turn.CUT if bucket[2] % 2 else Turn.SILENCE
