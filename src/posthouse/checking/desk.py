"""What checks look with, all together: one field of the operations' context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse.interfaces.probe import Probe
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.web_fetch import WebFetch


@dataclass(frozen=True, slots=True)
class CheckDesk:
    """``forget`` drops what the resolver has kept, so that each check sees what is published now. ``node_name`` is
    node.toml's, which the node goes by unless a setting says otherwise."""

    resolver: Resolver
    probe: Probe
    web: WebFetch
    forget: Callable[[], None]
    node_name: str
