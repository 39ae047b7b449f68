"""The resolver of a process, which follows the node's file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from posthouse.backends.dns import DnsResolver
from posthouse.interfaces.bus import Bus, Payload
from posthouse.roles.config import NodeConfig


def open_resolver(config: NodeConfig, bus: Bus) -> DnsResolver:
    """Asks the node's name servers; after a reload, those that ``node.toml`` names then."""
    resolver = DnsResolver(config.nameservers)

    def reloaded(payload: Payload) -> None:
        resolver.use(cast(Sequence[str], payload["nameservers"]))

    bus.subscribe("reload", reloaded)
    return resolver
