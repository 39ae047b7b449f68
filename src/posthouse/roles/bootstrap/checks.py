"""What the node's checks look with."""

from __future__ import annotations

from dataclasses import replace

from posthouse.admin.context import Context
from posthouse.backends.dns import DnsResolver
from posthouse.backends.probe import SystemProbe
from posthouse.checking.desk import CheckDesk
from posthouse.roles.config import NodeConfig


def with_checks(context: Context, config: NodeConfig) -> Context:
    """A resolver of its own: checks ask anew, whatever deliveries have in their cache."""
    resolver = DnsResolver(config.nameservers)
    return replace(context, checks=CheckDesk(resolver, SystemProbe(config.data, resolver), config.name))
