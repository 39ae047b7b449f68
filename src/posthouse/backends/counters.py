"""Counts for the whole node over the bus: each process keeps its own and hears the others' (NET-1, INB-3).

Changes are gathered for 30 ms and sent as one message on the topic ``connections``. Open counts travel as absolute
numbers per process, so a lost message heals with the next change; a process that dies takes its open counts with it
(``worker-gone``). A process that starts asks the others for theirs (``counters-ask``). Memory is bounded: the keys that
were not touched for longest go first.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

from posthouse.base.clock import Clock
from posthouse.interfaces.bus import Bus, Payload

TOPIC = "connections"
GATHER_S = 0.03
MAX_KEYS = 50_000
_STEPS = 16


class _Events:
    """Events of one key in steps of a sixteenth of the window: at most 17 entries of (time of the step's first, count)."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: list[list[float]] = []

    def add(self, now_s: float, window_s: float, count: int) -> None:
        steps = self.steps
        if steps and now_s - steps[-1][0] < window_s / _STEPS:
            steps[-1][1] += count
            return
        steps.append([now_s, count])
        if len(steps) > _STEPS + 1:
            self.steps = [step for step in steps if step[0] > now_s - window_s]

    def within(self, now_s: float, window_s: float) -> int:
        return int(sum(step[1] for step in self.steps if step[0] > now_s - window_s))


class BusCounters:
    """``process`` is this process's name on the node. To be made on its loop."""

    def __init__(self, bus: Bus, clock: Clock, process: str, max_keys: int = MAX_KEYS) -> None:
        self._bus = bus
        self._clock = clock
        self._process = process
        self._max_keys = max_keys
        self._own: dict[str, int] = {}
        self._others: dict[str, dict[str, int]] = {}
        self._elsewhere: dict[str, int] = {}
        self._events: OrderedDict[str, _Events] = OrderedDict()
        self._changed: set[str] = set()
        self._hits: dict[str, tuple[int, float]] = {}
        self._forgotten: set[str] = set()
        self._due = False
        bus.subscribe(TOPIC, self._hear)
        bus.subscribe("counters-ask", self._answer)
        bus.subscribe("worker-gone", self._worker_gone)
        bus.publish("counters-ask", {"from": process})

    def open(self, key: str) -> int:
        """As ``Counters.open``."""
        self._own[key] = self._own.get(key, 0) + 1
        self._changed.add(key)
        self._gather()
        return self.opened(key)

    def opened(self, key: str) -> int:
        """As ``Counters.opened``."""
        return self._own.get(key, 0) + self._elsewhere.get(key, 0)

    def close(self, key: str) -> None:
        """As ``Counters.close``."""
        count = self._own.get(key, 0) - 1
        if count > 0:
            self._own[key] = count
        else:
            self._own.pop(key, None)
        self._changed.add(key)
        self._gather()

    def hit(self, key: str, window_s: float, count: int = 1) -> int:
        """As ``Counters.hit``, to a sixteenth of the window."""
        before, _ = self._hits.get(key, (0, 0.0))
        self._hits[key] = (before + count, window_s)
        self._gather()
        return self._add(key, window_s, count).within(self._clock.steady(), window_s)

    def recent(self, key: str, window_s: float) -> int:
        """As ``Counters.recent``."""
        events = self._events.get(key)
        return events.within(self._clock.steady(), window_s) if events is not None else 0

    def forget(self, key: str) -> None:
        """As ``Counters.forget``."""
        self._events.pop(key, None)
        self._hits.pop(key, None)
        self._forgotten.add(key)
        self._gather()

    def _add(self, key: str, window_s: float, count: int) -> _Events:
        events = self._events.get(key)
        if events is None:
            events = self._events[key] = _Events()
            if len(self._events) > self._max_keys:
                self._events.popitem(last=False)
        else:
            self._events.move_to_end(key)
        events.add(self._clock.steady(), window_s, count)
        return events

    def _gather(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(GATHER_S, self._send)

    def _send(self) -> None:
        self._due = False
        payload = {
            "from": self._process,
            "open": {key: self._own.get(key, 0) for key in self._changed},
            "hits": self._hits,
            "forgotten": list(self._forgotten),
        }
        self._bus.publish(TOPIC, payload)
        self._changed.clear()
        self._hits = {}
        self._forgotten.clear()

    def _answer(self, payload: Payload) -> None:
        if payload["from"] != self._process and self._own:
            self._changed.update(self._own)
            self._gather()

    def _hear(self, payload: Payload) -> None:
        process = cast(str, payload["from"])
        if process == self._process:
            return
        for key in cast("list[str]", payload["forgotten"]):
            self._events.pop(key, None)
        for key, (count, window_s) in cast("Mapping[str, tuple[int, float]]", payload["hits"]).items():
            self._add(key, window_s, count)
        theirs = self._others.setdefault(process, {})
        for key, count in cast("Mapping[str, int]", payload["open"]).items():
            self._note(theirs, key, count)

    def _note(self, theirs: dict[str, int], key: str, count: int) -> None:
        """Another process now has ``count`` open of ``key``."""
        change = count - theirs.get(key, 0)
        if count > 0:
            if key not in theirs and len(theirs) >= self._max_keys:
                return
            theirs[key] = count
        else:
            theirs.pop(key, None)
        total = self._elsewhere.get(key, 0) + change
        if total > 0:
            self._elsewhere[key] = total
        else:
            self._elsewhere.pop(key, None)

    def _worker_gone(self, payload: Payload) -> None:
        theirs = self._others.pop(cast(str, payload["process"]), None)
        for key in list(theirs or ()):
            self._note(cast("dict[str, int]", theirs), key, 0)
