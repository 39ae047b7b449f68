"""The node itself: status, version, reload, stop (DEP-2)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse import __version__
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.admin.rendering import stamp


@dataclass(frozen=True, slots=True)
class ListenerRow:
    """One listening socket."""

    service: str
    address: str


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process."""

    name: str
    pid: int
    since: str
    restarts: int


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """The node at this moment."""

    name: str
    version: str
    state: str
    since: str
    listeners: tuple[ListenerRow, ...]
    processes: tuple[ProcessRow, ...]
    queue: dict[str, int]


@dataclass(frozen=True, slots=True)
class ReloadDetail:
    """What has changed in node.toml, one line for each value: ``taken`` at once, or in need of a restart."""

    taken: tuple[str, ...]
    needs_restart: tuple[str, ...]

    def told(self) -> str:
        """In words."""
        lines = [f"taken: {line}" for line in self.taken] + [f"needs a restart: {line}" for line in self.needs_restart]
        return "\n".join(["settings and certificates are read anew", *lines])


@operation("node status", role="reader", reads=True)
async def status(context: Context) -> NodeDetail:
    """Shows whether the node runs and since when, its listeners and processes, and how full the queue is."""
    found = await context.node.status()
    return NodeDetail(
        name=found.name,
        version=found.version,
        state=found.state,
        since=stamp(found.since),
        listeners=tuple(ListenerRow(service, address) for service, address in found.listeners),
        processes=tuple(ProcessRow(each.name, each.pid, stamp(each.since), each.restarts) for each in found.processes),
        queue=await context.spool.count(),
    )


@operation("node version", role="reader", scope="domain", reads=True)
async def version(context: Context) -> str:
    """Shows the version of Posthouse."""
    return __version__


@operation("node reload", role="administrator")
async def reload(context: Context) -> ReloadDetail:
    """Takes new settings, certificates and what it can of node.toml into use without dropping a connection.

    Of node.toml these are the name servers; the answer says what else in it has changed and needs a restart.
    """
    found = await context.node.reload()
    return ReloadDetail(found.taken, found.waits)


@operation("node stop", role="administrator")
async def stop(context: Context) -> None:
    """Stops the node once its sessions have ended (drains it)."""
    await context.node.stop()
