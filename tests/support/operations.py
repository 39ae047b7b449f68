"""A context for operations on in-memory backends, with a node that only notes what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from posthouse.admin import registry, rendering
from posthouse.admin.context import Context
from posthouse.admin.junkdesk import JunkDesk
from posthouse.admin.listdesk import ListDesk
from posthouse.admin.nodecontrol import Certificate, NodeStatus, ProcessStatus, Reloaded
from posthouse.backends.dns_lists import DnsBlockLists
from posthouse.backends.memory.api_tokens import MemoryApiTokens
from posthouse.backends.memory.blocklists import MemoryBlockListZones
from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.configuration import MemoryConfiguration
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.junk import MemoryJunk
from posthouse.backends.memory.limits import MemoryLimits
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.reject_list import MemoryRejectList
from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.backends.memory.routes import MemoryRoutes
from posthouse.backends.memory.scripts import MemoryScripts
from posthouse.backends.memory.senders import MemorySenders
from posthouse.backends.memory.signing_keys import MemorySigningKeys
from posthouse.backends.memory.sink import MemorySink
from posthouse.backends.memory.spool import MemorySpool
from posthouse.backends.memory.traces import MemoryTraceLog
from posthouse.base.clock import ManualClock
from posthouse.base.ids import Ids
from posthouse.directory.allowances import AllowanceBook
from posthouse.directory.key_ring import KeyRing
from posthouse.model.settings import Settings


class QuickHasher:
    """A hasher for tests that costs nothing."""

    async def hash(self, password: str) -> str:
        return f"quick:{password}"

    async def verify(self, secret: str, password: str) -> bool:
        return secret == f"quick:{password}"


@dataclass
class NotingNode:
    """A node that notes what it is told."""

    told: list[str] = field(default_factory=list)

    async def status(self) -> NodeStatus:
        return NodeStatus("mx.example.test", "0.1.0", "running", 1_790_000_000.0, (("smtp", "127.0.0.1:25"),),
                          (ProcessStatus("worker 1", 4711, 1_790_000_000.0),))  # fmt: skip

    async def reload(self) -> Reloaded:
        self.told.append("reload")
        return Reloaded(("dns.nameservers: none -> 127.0.0.1:53",), ("listen.imap: none -> 127.0.0.1:143",))

    async def stop(self) -> None:
        self.told.append("stop")

    async def certificates(self) -> Sequence[Certificate]:
        return [Certificate(("mx.example.test",), "CN=mx.example.test", 1_790_000_000.0 + 86_400 * 30, "ab:cd", "self-made")]


async def sound() -> Sequence[str]:
    return []


def make_context() -> Context:
    """Everything in memory, a clock that stands still, called by root at the shell."""
    clock = ManualClock()
    directory = MemoryDirectory()
    limits = MemoryLimits(directory)
    may = AllowanceBook(limits, Settings).of
    store = MemoryMailStore(clock=clock, allowances=may)
    spool = MemorySpool(clock=clock)
    sink = MemorySink(store, spool, allowances=may, clock=clock)
    routes = MemoryRoutes()
    scripts = MemoryScripts()
    signing_keys = MemorySigningKeys(directory)
    senders, junk = MemorySenders(), MemoryJunk(directory, limits)
    tokens = MemoryApiTokens(directory)
    rejected, zones = MemoryRejectList(), MemoryBlockListZones()
    return Context(
        clock=clock,
        ids=Ids(clock),
        directory=directory,
        directory_writer=directory,
        routes=routes,
        routes_writer=routes,
        scripts=scripts,
        scripts_writer=scripts,
        signing_keys=signing_keys,
        signing_keys_writer=signing_keys,
        configuration=MemoryConfiguration(),
        store=store,
        spool=spool,
        quarantine=sink.quarantine,
        sink=sink,
        traces=MemoryTraceLog(),
        hasher=QuickHasher(),
        bus=MemoryBus(),
        node=NotingNode(),
        checker=sound,
        limits=limits,
        limits_writer=limits,
        allowances=may,
        junk=JunkDesk(senders, senders, junk, junk),
        lists=ListDesk(rejected, rejected, zones, zones, DnsBlockLists(MemoryResolver(), zones, Settings, clock)),
        key_ring=KeyRing(tokens, tokens, clock, b"n" * 32),
    )


async def run(context: Context, line: str, **given: str) -> Any:
    """Runs a line of words; gives the result in JSON's types."""
    return rendering.plain((await registry.run(context, line.split(), given=given)).result)


async def populated() -> Context:
    """Two domains; jane (user), omar (domain administrator), ada (administrator) at example.test, mei at example.org."""
    context = make_context()
    for domain in ("example.test", "example.org"):
        await run(context, f"domain add {domain}")
    for who, role in (("jane", "user"), ("omar", "domain-administrator"), ("ada", "administrator")):
        await run(context, f"user add {who}@example.test --name {who.title()} --role {role}", password=f"{who}-secret")
    await run(context, "user add mei@example.org", password="mei-secret")
    return context
