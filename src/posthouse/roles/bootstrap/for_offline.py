"""One operation on a node that does not run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from posthouse.admin.context import Context
from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.sqlite.configuration import SqliteConfiguration
from posthouse.backends.sqlite.search_schema import remove_files
from posthouse.roles.bootstrap.checks import with_checks
from posthouse.roles.bootstrap.holding import with_holds
from posthouse.roles.bootstrap.key_rings import with_key_ring
from posthouse.roles.bootstrap.looking_outside import with_ldap
from posthouse.roles.bootstrap.operations import operations_context
from posthouse.roles.bootstrap.outgoing_desk import with_reports
from posthouse.roles.bootstrap.resolving import open_resolver
from posthouse.roles.bootstrap.scanning import with_viruses
from posthouse.roles.bootstrap.training import with_engines
from posthouse.roles.bootstrap.triplets import with_unknown_recipients
from posthouse.roles.bootstrap.writers import open_writers
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live
from posthouse.roles.migrations import with_migrations
from posthouse.roles.node_control import OfflineNodeControl
from posthouse.roles.rehearsal_process import RehearsalProcess


@asynccontextmanager
async def offline_context(config: NodeConfig) -> AsyncIterator[Context]:
    """For one operation on a data folder whose lock the caller holds. Raises MailError, OSError."""
    files, bus = Files.under(config.data), MemoryBus()
    async with AsyncExitStack() as stack:
        writers = await open_writers(files, bus, stack, gate=False)
        configuration = SqliteConfiguration(files.directory, writers.directory)
        stack.callback(configuration.close)
        live = Live(config.data, configuration.load)
        await live.load()
        node = OfflineNodeControl(config.name, config.data, live.settings)
        clear = partial(remove_files, files.search)
        context = operations_context(files, writers, bus, live, node, stack, clear, open_resolver(config, bus))
        context = with_ldap(config, context, writers, live, stack)
        context = with_reports(context, files, writers, stack)
        context = await with_key_ring(context, files, writers, stack)
        context = with_unknown_recipients(context, files, writers.triplets, stack)
        context = with_holds(config, context, writers, live, MemoryCounters(context.clock), stack)
        context = with_viruses(with_checks(context, config, live, bus), config, live)
        context = replace(context, rehearsals=RehearsalProcess(config.path, context.clock))
        context = with_engines(context, files, writers, live, stack).context
        yield await with_migrations(context, config.data, stack, running=False)
