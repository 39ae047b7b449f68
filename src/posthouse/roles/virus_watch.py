"""What the steward does about viruses by the clock: patterns are fetched and watched, people are told (CON-5, CON-6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from posthouse.admin.virusdesk import VirusDesk
from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.content.antivirus.patterns import EngineState, Schedule
from posthouse.interfaces.bus import Bus
from posthouse.model.settings import Settings
from posthouse.pipeline.virus_alerts import VirusAlerts

TELL_S = 5.0
SCHEDULE_S = 2.0
LOOK_S = 60.0
REMIND_S = 86_400.0

_log = log.get("antivirus")


@dataclass(frozen=True, slots=True)
class WatchTools:
    """What it works with. ``sleep`` is asyncio's, or a test's."""

    desk: VirusDesk
    alerts: VirusAlerts
    bus: Bus
    settings: Callable[[], Settings]
    clock: Clock
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class VirusWatch:
    """``start`` it, ``stop`` it."""

    def __init__(self, tools: WatchTools) -> None:
        self._tools = tools
        self._schedule = Schedule()
        self._told: dict[str, float] = {}
        self._down: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to look."""
        self._tasks = [
            asyncio.create_task(self._repeat(TELL_S, self.tell)),
            asyncio.create_task(self._repeat(SCHEDULE_S, self.update_when_due)),
            asyncio.create_task(self._repeat(LOOK_S, self.look)),
        ]

    async def stop(self) -> None:
        """Ends it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell(self) -> None:
        """Sends the alerts that are due."""
        if count := await self._tools.alerts.send_due():
            _log.info("virus-alerts-sent", count=count)

    async def update_when_due(self) -> None:
        """Fetches patterns by ``antivirus.update_schedule``."""
        tools = self._tools
        due = self._schedule.due(tools.settings().antivirus.update_schedule, tools.clock.now())
        if not due or not tools.desk.updates.configured:
            return
        said = await tools.desk.updates.update()
        tools.bus.publish("virus-patterns", {})
        _log.info("virus-patterns-updated", said=said)

    async def look(self) -> None:
        """Notes engines that went down or came back, and old patterns: once when it begins, then every day."""
        if not self._tools.settings().antivirus.engines:
            return
        states = await self._tools.desk.watch.look()
        for state in states:
            self._note_down(state)
        old = [state for state in states if state.is_old]
        now = self._tools.clock.now()
        for name in self._told.keys() - {state.engine.name for state in old}:
            del self._told[name]
            _log.info("virus-patterns-fresh", engine=name)
        if any(now - self._told.get(state.engine.name, float("-inf")) >= REMIND_S for state in old):
            for state in old:
                self._told[state.engine.name] = now
                _log.error("virus-patterns-old", engine=state.engine.name, age_s=round(state.age_s or 0))
            await self._tools.alerts.patterns_are_old(old)

    def _note_down(self, state: EngineState) -> None:
        name = state.engine.name
        if state.trouble and name not in self._down:
            self._down.add(name)
            _log.error("virus-engine-down", engine=name, cause=state.trouble)
        elif not state.trouble and name in self._down:
            self._down.remove(name)
            _log.info("virus-engine-up", engine=name)

    async def _repeat(self, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except MailError as error:
                _log.warning("chore-failed", chore=work.__name__, cause=error.cause or error.public)
            except Exception:  # noqa: BLE001 - a chore that breaks once is due again all the same
                _log.exception("chore-broken", chore=work.__name__)
            await self._tools.sleep(interval_s)
