"""What checks look with, all together: one field of the operations' context."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.interfaces.probe import Probe
from posthouse.interfaces.resolver import Resolver


@dataclass(frozen=True, slots=True)
class CheckDesk:
    """``node_name`` is node.toml's, which the node goes by unless a setting says otherwise."""

    resolver: Resolver
    probe: Probe
    node_name: str
