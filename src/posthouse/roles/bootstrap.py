"""The one place that picks backends. ``worker`` builds what protocol servers are given, ``steward`` what writes and runs
operations, ``offline_context`` the same for operations on a node that does not run.

Everything built here stands behind an interface; nothing else in the house imports a backend.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial

from posthouse.admin.context import Context
from posthouse.admin.nodecontrol import NodeControl
from posthouse.backends import notices
from posthouse.backends.bus import SocketBus
from posthouse.backends.counters import BusCounters
from posthouse.backends.dns import DnsResolver
from posthouse.backends.locks import FileLocks
from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.passwords import Argon2Hasher
from posthouse.backends.smtp_out import SmtpCourier
from posthouse.backends.sqlite.care import SqliteStoreCare
from posthouse.backends.sqlite.check import problems
from posthouse.backends.sqlite.configuration import SqliteConfiguration, SqliteConfigurationReader
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.gate import GateServer
from posthouse.backends.sqlite.gate_client import GateClient
from posthouse.backends.sqlite.limits import SqliteLimits, SqliteLimitsWriter
from posthouse.backends.sqlite.local_gate import Gate, LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.packing import Packer
from posthouse.backends.sqlite.routes import SqliteRoutes, SqliteRoutesWriter
from posthouse.backends.sqlite.scripts import SqliteScripts
from posthouse.backends.sqlite.scripts_writer import CALL as SCRIPTS_CALL
from posthouse.backends.sqlite.scripts_writer import RemoteScriptsWriter, SqliteScriptsWriter
from posthouse.backends.sqlite.scripts_writer import handler as scripts_handler
from posthouse.backends.sqlite.search_indexer import Indexer
from posthouse.backends.sqlite.search_schema import remove_files
from posthouse.backends.sqlite.signing_keys import SqliteSigningKeys, SqliteSigningKeysWriter
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.backends.sqlite.textindex import SqliteTextIndex
from posthouse.backends.sqlite.trace_writer import TraceWriter
from posthouse.backends.sqlite.traces import LocalTraceLog, RemoteTraceLog
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import Clock, SystemClock
from posthouse.base.ids import Ids
from posthouse.directory.allowances import AllowanceBook
from posthouse.directory.authenticate import Authenticator
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.limits import Allowances
from posthouse.mailstore import envelope
from posthouse.model.settings import QueueSettings, Settings
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.path import Parts, stages
from posthouse.pipeline.receipts import Receipts
from posthouse.queue.attempt import Tools
from posthouse.queue.notices import Notices
from posthouse.queue.runner import QueueRunner
from posthouse.queue.targets import Targets
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live
from posthouse.roles.migrations import with_migrations
from posthouse.roles.node_control import BusNodeControl, OfflineNodeControl
from posthouse.servers.control import ControlServer
from posthouse.servers.services import Services
from posthouse.servers.tls_contexts import TlsContexts

DRAIN_S = 10.0


def _sink(gate: Gate, files: Files, live: Live, ids: Ids, may: Allowances, packer: Packer) -> SqliteSink:
    def lifetime_s() -> float:
        return live.settings().queue.lifetime_s

    return SqliteSink(gate, files.mail, lifetime_s=lifetime_s, ids=ids, allowances=may, packer=packer)


@dataclass(frozen=True, slots=True)
class Worker:
    """``close`` lets go of everything, last in first out."""

    services: Services
    contexts: TlsContexts
    stack: AsyncExitStack

    async def close(self) -> None:
        """Sends what is still buffered and closes."""
        await self.stack.aclose()


def open_bus(end: socket.socket, on_lost: Callable[[], None]) -> SocketBus:
    """A child's end of the bus."""
    return SocketBus(end, on_lost)


async def worker(config: NodeConfig, bus: Bus, name: str) -> Worker:
    """Everything that a worker's servers need; the steward is up already. Raises MailError when a database cannot be read."""
    files, stack = Files.under(config.data), AsyncExitStack()
    configuration = stack.enter_context(closing(SqliteConfigurationReader(files.directory)))
    live = Live(config.data, configuration.load)
    stack.push_async_callback(live.close)
    await live.start(bus)
    gate = GateClient(files.gate)
    stack.push_async_callback(gate.close)
    traces = stack.enter_context(closing(RemoteTraceLog(partial(gate.tell, "trace"), files.traces)))
    parts = await _parts(config, live, gate, traces, BusCounters(bus, SystemClock(), name), stack)
    clock, ids, directory = parts.clock, parts.ids, parts.directory
    hasher, key = stack.enter_context(closing(Argon2Hasher())), await _login_key(files)
    services = Services(
        node_name=config.name,
        settings=live.settings,
        tls_context=live.contexts.current,
        clock=clock,
        ids=ids,
        directory=directory,
        authenticator=Authenticator(directory, hasher, parts.counters, live.settings, clock, asyncio.sleep, key),
        store=parts.store,
        sink=parts.sink,
        traces=traces,
        bus=bus,
        counters=parts.counters,
        driver=Driver(stages(parts), settings=live.settings, clock=clock, ids=ids, traces=traces, node_name=config.name),
        locks=stack.enter_context(closing(FileLocks(files.locks))),
        control_path=str(files.control),
        text_index=stack.enter_context(closing(SqliteTextIndex(files.search, files.mail))),
        scripts=parts.scripts,
        scripts_writer=parts.scripts_writer,
        allowances=parts.allowances,
    )
    return Worker(services, live.contexts, stack)


async def _login_key(files: Files) -> bytes:
    with closing(SqliteDirectory(files.directory)) as directory:
        return await directory.login_key()


async def _parts(
    config: NodeConfig, live: Live, gate: GateClient, traces: RemoteTraceLog, counters: BusCounters, stack: AsyncExitStack
) -> Parts:
    """What the stages of a worker's path need."""
    files, clock = Files.under(config.data), SystemClock()
    ids, directory = Ids(clock), stack.enter_context(closing(SqliteDirectory(files.directory)))
    routes = stack.enter_context(closing(SqliteRoutes(files.directory)))
    may = AllowanceBook(stack.enter_context(closing(SqliteLimits(files.directory))), live.settings).of
    store = SqliteMailStore(gate, files.mail, settings=lambda: live.settings().store, allowances=may)
    await stack.enter_context(closing(store)).ready()
    sink = _sink(gate, files, live, ids, may, store.packer)
    recipients = RecipientResolver(directory, live.settings)
    onward = Onward(recipients, routes)
    notifier = _notifier(config, clock, live, onward)
    return Parts(
        settings=live.settings,
        counters=counters,
        recipients=recipients,
        routes=routes,
        resolver=DnsResolver(config.nameservers),
        sink=sink,
        receipts=Receipts(notifier, sink, traces),
        clock=clock,
        node_name=config.name,
        signing_keys=stack.enter_context(closing(SqliteSigningKeys(files.directory))),
        store=store,
        directory=directory,
        scripts=stack.enter_context(closing(SqliteScripts(files.directory))),
        scripts_writer=RemoteScriptsWriter(gate.call),
        notices=notifier,
        onward=onward.own_mail,
        ids=ids,
        allowances=may,
    )


@asynccontextmanager
async def indexer(config: NodeConfig) -> AsyncIterator[tuple[Indexer, Live]]:
    """What makes the full-text index, with the settings it goes by (``load`` them); the steward is up already."""
    files = Files.under(config.data)
    with closing(SqliteConfigurationReader(files.directory)) as configuration:
        live = Live(config.data, configuration.load)
        made = Indexer(files.mail, files.search, envelope.texts, settings=lambda: live.settings().search)
        with closing(made):
            yield made, live


@dataclass(frozen=True, slots=True)
class Steward:
    """The running steward: the writer of all databases, its gate for the workers, operations."""

    context: Context
    settings: Callable[[], Settings]
    stack: AsyncExitStack

    async def close(self) -> None:
        """Ends operations, commits what waits, closes the databases."""
        await self.stack.aclose()


async def steward(config: NodeConfig, bus: Bus) -> Steward:
    """Opens the databases for writing, starts the gate and the control socket. Raises MailError, OSError."""
    files, stack = Files.under(config.data), AsyncExitStack()
    writers = await _open_writers(files, bus, stack, gate=True)
    configuration = SqliteConfiguration(files.directory, writers.directory)
    stack.callback(configuration.close)
    live = Live(config.data, configuration.load)
    stack.push_async_callback(live.close)
    await live.start(bus)
    ids = Ids(SystemClock())
    node = BusNodeControl(bus, ids, config.name, config.data, live.settings)
    context = _context(files, writers, bus, live, node, stack, partial(bus.publish, "search-clear", {}))
    _start_queue(config, context, live, stack)
    context = await with_migrations(context, config.data, stack, running=True)
    control = ControlServer(context, files.control)
    await control.start()
    stack.push_async_callback(control.close)
    return Steward(context, live.settings, stack)


def _start_queue(config: NodeConfig, context: Context, live: Live, stack: AsyncExitStack) -> None:
    """The runner of the outbound queue, woken by new mail and by operations."""

    def queue() -> QueueSettings:
        return live.settings().queue

    def own_names() -> Sequence[str]:
        return [name for name in (live.settings().smtp.hostname, config.name) if name]

    onward = Onward(RecipientResolver(context.directory, live.settings), context.routes)
    tools = Tools(
        spool=context.spool,
        courier=SmtpCourier(lambda: own_names()[0], queue),
        targets=Targets(DnsResolver(config.nameservers), queue, own_names, random.shuffle),
        notices=_notifier(config, context.clock, live, onward),
        traces=context.traces,
        clock=context.clock,
        settings=queue,
        smart_host=lambda: live.settings().route.smart_host,
    )
    runner = QueueRunner(tools)
    context.bus.subscribe("queue", lambda _: runner.wake())
    task = asyncio.create_task(runner.run())

    async def end() -> None:
        await runner.drain(DRAIN_S)
        task.cancel()

    stack.push_async_callback(end)


def _notifier(config: NodeConfig, clock: Clock, live: Live, onward: Onward) -> Notices:
    """Who writes DSNs in the node's name."""
    return Notices(
        clock=clock,
        ids=Ids(clock),
        node_name=config.name,
        onward=onward.own_mail,
        double_bounce=lambda: live.settings().queue.double_bounce,
    )


@asynccontextmanager
async def offline_context(config: NodeConfig) -> AsyncIterator[Context]:
    """For one operation on a data folder whose lock the caller holds. Raises MailError, OSError."""
    files, bus = Files.under(config.data), MemoryBus()
    async with AsyncExitStack() as stack:
        writers = await _open_writers(files, bus, stack, gate=False)
        configuration = SqliteConfiguration(files.directory, writers.directory)
        stack.callback(configuration.close)
        live = Live(config.data, configuration.load)
        await live.load()
        node = OfflineNodeControl(config.name, config.data, live.settings)
        context = _context(files, writers, bus, live, node, stack, partial(remove_files, files.search))
        yield await with_migrations(context, config.data, stack, running=False)


@dataclass(frozen=True, slots=True)
class _Writers:
    """The one writer of each database."""

    directory: DatabaseThread
    traces: TraceWriter
    mail: MailWriterThread


async def _open_writers(files: Files, bus: Bus, stack: AsyncExitStack, *, gate: bool) -> _Writers:
    """Opens all databases for writing, and with ``gate`` lets the workers in."""
    directory = open_directory_file(files.directory)
    stack.callback(directory.close)
    await directory.run(lambda _: None)  # makes the file, so that readers find it
    traces = TraceWriter(files.traces)
    stack.callback(traces.close)
    loop = asyncio.get_running_loop()

    def committed(what: notices.Committed) -> None:
        loop.call_soon_threadsafe(notices.publish, bus, what)

    mail = MailWriterThread(files.mail, committed)
    mail.start()
    if gate:
        calls = {SCRIPTS_CALL: scripts_handler(SqliteScriptsWriter(directory))}
        server = GateServer(files.gate, mail, calls=calls, tells={"trace": traces.write})
        await server.start()
        stack.push_async_callback(server.stop)  # after the writing thread, so that its last answers still leave
    stack.callback(mail.stop)
    return _Writers(directory, traces, mail)


def _context(
    files: Files,
    writers: _Writers,
    bus: Bus,
    live: Live,
    node: NodeControl,
    stack: AsyncExitStack,
    clear_index: Callable[[], None],
) -> Context:
    clock = SystemClock()
    ids = Ids(clock)
    directory = stack.enter_context(closing(SqliteDirectory(files.directory)))
    routes = stack.enter_context(closing(SqliteRoutes(files.directory)))
    gate = LocalGate(writers.mail)
    limits = stack.enter_context(closing(SqliteLimits(files.directory)))
    may = AllowanceBook(limits, live.settings).of
    store = SqliteMailStore(gate, files.mail, settings=lambda: live.settings().store, allowances=may)
    stack.callback(store.close)
    spool = SqliteSpool(gate, files.mail, lifetime_s=lambda: live.settings().queue.lifetime_s, ids=ids, packer=store.packer)
    stack.callback(spool.close)
    traces = stack.enter_context(closing(LocalTraceLog(writers.traces, files.traces)))
    hasher = stack.enter_context(closing(Argon2Hasher()))
    configuration = stack.enter_context(closing(SqliteConfiguration(files.directory, writers.directory)))
    return Context(
        clock=clock,
        ids=ids,
        directory=directory,
        directory_writer=SqliteDirectoryWriter(writers.directory),
        routes=routes,
        routes_writer=SqliteRoutesWriter(writers.directory),
        signing_keys=stack.enter_context(closing(SqliteSigningKeys(files.directory))),
        signing_keys_writer=SqliteSigningKeysWriter(writers.directory),
        scripts=stack.enter_context(closing(SqliteScripts(files.directory))),
        scripts_writer=SqliteScriptsWriter(writers.directory),
        configuration=configuration,
        store=store,
        spool=spool,
        sink=_sink(gate, files, live, ids, may, store.packer),
        traces=traces,
        hasher=hasher,
        bus=bus,
        node=node,
        checker=partial(problems, files.mail),
        care=stack.enter_context(closing(SqliteStoreCare(gate, files.mail, clock, store.packer.on, envelope.texts))),
        limits=limits,
        limits_writer=SqliteLimitsWriter(writers.directory),
        allowances=may,
        text_index=stack.enter_context(closing(SqliteTextIndex(files.search, files.mail))),
        clear_index=clear_index,
    )
