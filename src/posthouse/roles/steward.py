"""The steward process: the one writer of the node's databases, the queue's runner, operations, and what runs by schedule."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from posthouse.base import log
from posthouse.roles import bootstrap
from posthouse.roles.bootstrap import open_bus
from posthouse.roles.chores import Chores
from posthouse.roles.config import NodeConfig
from posthouse.roles.worker import supervisor_lost
from posthouse.servers.metrics_share import MetricsShare

_log = log.get("steward")


def run(config: NodeConfig, name: str, end: socket.socket) -> None:
    """The whole life of the steward; returns when it has drained."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(config, name, end))


async def _live(config: NodeConfig, name: str, end: socket.socket) -> None:
    bus = open_bus(end, on_lost=supervisor_lost)
    drain = asyncio.Event()
    bus.subscribe("drain-steward", lambda _: drain.set())
    MetricsShare(bus, name, config.bus_processes)
    parts = await bootstrap.steward(config, bus)
    chores = Chores(parts.context, parts.settings, node_name=config.name, more=parts.chores)
    chores.start()
    bus.publish("node-ready", {"process": name})
    await drain.wait()
    _log.info("drain")
    await chores.stop()
    await parts.close()
    bus.close()
