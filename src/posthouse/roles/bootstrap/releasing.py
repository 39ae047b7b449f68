"""What lets held mail go: the steward's own walk along the path (``pipeline/release.py``)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from posthouse.admin.context import Context
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.directory.device_logins import DeviceLogins
from posthouse.interfaces.resolver import Resolver
from posthouse.model.mail_reports import ReceivedReport
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.path import stages
from posthouse.pipeline.release import Releases, ReleaseTools
from posthouse.pipeline.take_reports import ReportDesk
from posthouse.roles.bootstrap.holding import watch_nothing
from posthouse.roles.bootstrap.path_parts import Ways, path_parts
from posthouse.roles.bootstrap.scanning import virus_scanning
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.config import NodeConfig
from posthouse.roles.live import Live


async def with_releases(
    config: NodeConfig, context: Context, writers: Writers, live: Live, resolver: Resolver, stack: AsyncExitStack
) -> Context:
    """``context`` with what lets held mail go: a path of the steward's own, along which it walks on."""
    assert context.triplets is not None and context.suppressions is not None, "the steward has them"
    counters = MemoryCounters(context.clock)
    ways = Ways(
        gate=LocalGate(writers.mail),
        traces=context.traces,
        scripts_writer=context.scripts_writer,
        counters=counters,
        resolver=resolver,
        triplets=context.triplets,
        unknown=writers.triplets,
        reports=ReportDesk(lambda _: None, lambda _: None, _not_taken, context.suppressions.reader),
        viruses=virus_scanning(live, context.clock, context.bus, stack),
        device_logins=DeviceLogins(live.settings, context.clock, context.bus),
        watch=watch_nothing(live, counters, context.clock),
    )
    parts = await path_parts(config, live, ways, stack)
    driver = Driver(
        stages(parts),
        settings=live.settings,
        clock=parts.clock,
        ids=parts.ids,
        traces=context.traces,
        node_name=config.name,
    )
    tools = ReleaseTools(
        driver=driver,
        quarantine=context.quarantine,
        notices=parts.notices,
        onward=parts.onward,
        traces=context.traces,
        sink=context.sink,
        clock=context.clock,
        ids=parts.ids,
        node_name=config.name,
    )
    return replace(context, releases=Releases(tools))


async def _not_taken(_: ReceivedReport) -> bool:
    """Reports of other sites are taken when they come in."""
    return False
