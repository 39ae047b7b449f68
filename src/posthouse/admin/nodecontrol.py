"""What operations may ask of the running node: its state, reload, stop, certificates.

Stands between ``admin/node.py`` and the supervisor; the roles room implements it over the bus, and for a node that does
not run with an object that only knows so. Knows no process and no socket itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process of the node. ``since`` in seconds since 1970; ``restarts`` counts how often it was started anew."""

    name: str
    pid: int
    since: float
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """``state`` is running, draining or offline. ``listeners`` are (service, ``address:port``) pairs as bound."""

    name: str
    version: str
    state: str
    since: float
    listeners: tuple[tuple[str, str], ...] = ()
    processes: tuple[ProcessStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate in use. ``source`` is a file's name, or ``self-made``. ``not_after`` in seconds since 1970."""

    names: tuple[str, ...]
    issuer: str
    not_after: float
    fingerprint: str
    source: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of ``node.toml``: what was ``taken``, and what in it ``waits`` for a restart, one line each."""

    taken: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()


class NodeControl(Protocol):
    """Calls raise Temporary when the supervisor does not answer, Permanent when the node does not run."""

    async def status(self) -> NodeStatus: ...

    async def reload(self) -> Reloaded:
        """Reads node.toml, settings and certificates anew; no connection is dropped. Raises BadValue for a file that is wrong:
        then only settings and certificates are taken."""
        ...

    async def stop(self) -> None:
        """Begins to drain, as SIGTERM does; returns at once."""
        ...

    async def certificates(self) -> Sequence[Certificate]: ...
