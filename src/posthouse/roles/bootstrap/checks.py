"""What the node's checks look with."""

from __future__ import annotations

from dataclasses import replace

from posthouse.admin.context import Context
from posthouse.backends.probe import SystemProbe
from posthouse.checking.desk import CheckDesk
from posthouse.interfaces.bus import Bus
from posthouse.model.settings import QueueSettings
from posthouse.roles.bootstrap.delivering import https
from posthouse.roles.bootstrap.resolving import open_resolver
from posthouse.roles.config import NodeConfig
from posthouse.roles.live import Live


def with_checks(context: Context, config: NodeConfig, live: Live, bus: Bus) -> Context:
    """A resolver of its own: checks ask anew, whatever deliveries have in their cache, or an earlier check has found."""
    resolver = open_resolver(config, bus)

    def queue() -> QueueSettings:
        return live.settings().queue

    probe = SystemProbe(
        config.data, resolver, config.name, lambda: resolver.servers, lambda: queue().allow_loopback, lambda: queue().ca_file
    )
    return replace(context, checks=CheckDesk(resolver, probe, https(resolver, queue), resolver.forget, config.name))
