"""Clients of virus engines, how workers tell the steward what was found, and what the steward does about it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, replace

import msgspec

from posthouse.admin.context import Context
from posthouse.admin.virusdesk import VirusDesk
from posthouse.backends.scanners.clamd import ClamdScanner
from posthouse.backends.scanners.icap import IcapScanner
from posthouse.backends.scanners.update_command import CommandUpdates
from posthouse.base.clock import Clock
from posthouse.content.antivirus.asking import VirusEngines
from posthouse.content.antivirus.patterns import PatternWatch
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.scanner import Scanner
from posthouse.model.virus_engine import VirusEngine
from posthouse.model.virus_found import VirusFound
from posthouse.pipeline.antivirus import VirusScanning
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.virus_alerts import VirusAlerts
from posthouse.roles.bootstrap.outgoing import letter_tools
from posthouse.roles.config import NodeConfig
from posthouse.roles.live import Live
from posthouse.roles.virus_watch import VirusWatch, WatchTools

VIRUS_FOUND = "virus-found"
PATTERNS = "virus-patterns"


def virus_engines(live: Live, clock: Clock, bus: Bus) -> VirusEngines:
    """Who asks the engines that the settings name, in one process; what it remembers ends with the patterns."""

    def timeout_s() -> float:
        return live.settings().antivirus.timeout_s

    def make(engine: VirusEngine) -> Scanner:
        return ClamdScanner(engine, timeout_s) if engine.scheme == "clamd" else IcapScanner(engine, timeout_s, clock)

    engines = VirusEngines(make, clock)
    bus.subscribe(PATTERNS, lambda _: engines.forget())
    return engines


def virus_scanning(live: Live, clock: Clock, bus: Bus, stack: AsyncExitStack) -> VirusScanning:
    """What a worker's path needs. The steward hears over the bus, at most once: it is news, not mail."""
    engines = virus_engines(live, clock, bus)
    stack.push_async_callback(engines.close)
    return VirusScanning(engines, lambda found: bus.publish(VIRUS_FOUND, asdict(found)))


def with_viruses(context: Context, config: NodeConfig, live: Live) -> Context:
    """With what operations on virus scanning work with."""
    engines = virus_engines(live, context.clock, context.bus)
    watch = PatternWatch(engines, lambda: live.settings().antivirus, context.clock)
    return replace(context, viruses=VirusDesk(engines, watch, CommandUpdates(config.virus_patterns_command)))


def start_virus_watch(config: NodeConfig, context: Context, live: Live, onward: Onward, stack: AsyncExitStack) -> None:
    """Hears the workers, tells people, looks after patterns."""
    assert context.viruses is not None, "with_viruses comes first"
    tools = letter_tools(config, context, live, onward)
    alerts = VirusAlerts(live.settings, tools)

    def heard(payload: Mapping[str, object]) -> None:
        alerts.heard(msgspec.convert(dict(payload), VirusFound))

    context.bus.subscribe(VIRUS_FOUND, heard)
    watch = VirusWatch(WatchTools(context.viruses, alerts, context.bus, live.settings, context.clock))
    watch.start()
    stack.push_async_callback(watch.stop)
    stack.push_async_callback(context.viruses.engines.close)
