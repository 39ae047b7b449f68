"""What a worker's servers are given."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial

from posthouse.backends.bus import SocketBus
from posthouse.backends.counters import BusCounters
from posthouse.backends.dns import DnsResolver
from posthouse.backends.locks import FileLocks
from posthouse.backends.passwords import Argon2Hasher
from posthouse.backends.sqlite.configuration import SqliteConfigurationReader
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.gate_client import GateClient
from posthouse.backends.sqlite.junk import SqliteJunk
from posthouse.backends.sqlite.limits import SqliteLimits
from posthouse.backends.sqlite.mail_reports import SEEN_TELL, receiver
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.routes import SqliteRoutes
from posthouse.backends.sqlite.scripts import SqliteScripts
from posthouse.backends.sqlite.scripts_writer import RemoteScriptsWriter
from posthouse.backends.sqlite.senders import SqliteSenders
from posthouse.backends.sqlite.signing_keys import SqliteSigningKeys
from posthouse.backends.sqlite.textindex import SqliteTextIndex
from posthouse.backends.sqlite.traces import RemoteTraceLog
from posthouse.backends.sqlite.triplets import RemoteTripletWriter
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.directory.allowances import AllowanceBook
from posthouse.directory.authenticate import Authenticator
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.triplets import Triplets
from posthouse.pipeline.antivirus import VirusScanning
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.path import Parts, stages
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.take_reports import ReportDesk
from posthouse.reporting.tallies import encoded
from posthouse.roles.bootstrap.engines import spam_engines
from posthouse.roles.bootstrap.listing import open_lists
from posthouse.roles.bootstrap.outgoing import held_mail, mail_sink, node_secret, notifier, sender_rewriting
from posthouse.roles.bootstrap.resolving import open_resolver
from posthouse.roles.bootstrap.scanning import virus_scanning
from posthouse.roles.bootstrap.telling import open_spans
from posthouse.roles.bootstrap.triplets import chosen_triplets
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live
from posthouse.servers.services import Services


@dataclass(frozen=True, slots=True)
class Worker:
    """``close`` lets go of everything, last in first out."""

    services: Services
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
    triplets = chosen_triplets(files, RemoteTripletWriter(gate.call), live, bus, stack)
    viruses = virus_scanning(live, SystemClock(), bus, stack)
    outside = BusCounters(bus, SystemClock(), name), open_resolver(config, bus), triplets, viruses
    parts = await _parts(config, live, gate, traces, outside, stack)
    clock, ids, directory = parts.clock, parts.ids, parts.directory
    hasher, key = stack.enter_context(closing(Argon2Hasher())), await node_secret(files)
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
        driver=Driver(
            stages(parts),
            settings=live.settings,
            clock=clock,
            ids=ids,
            traces=traces,
            node_name=config.name,
            spans=open_spans(config, live, name, stack),
        ),
        locks=stack.enter_context(closing(FileLocks(files.locks))),
        control_path=str(files.control),
        text_index=stack.enter_context(closing(SqliteTextIndex(files.search, files.mail))),
        scripts=parts.scripts,
        scripts_writer=parts.scripts_writer,
        allowances=parts.allowances,
    )
    return Worker(services, stack)


async def _parts(
    config: NodeConfig,
    live: Live,
    gate: GateClient,
    traces: RemoteTraceLog,
    outside: tuple[BusCounters, DnsResolver, Triplets, VirusScanning],
    stack: AsyncExitStack,
) -> Parts:
    """What the stages of a worker's path need."""
    counters, resolver, triplets, viruses = outside
    files, clock = Files.under(config.data), SystemClock()
    ids, directory = Ids(clock), stack.enter_context(closing(SqliteDirectory(files.directory)))
    routes = stack.enter_context(closing(SqliteRoutes(files.directory)))
    may = AllowanceBook(stack.enter_context(closing(SqliteLimits(files.directory))), live.settings).of
    store = SqliteMailStore(gate, files.mail, settings=lambda: live.settings().store, allowances=may)
    await stack.enter_context(closing(store)).ready()
    sink = mail_sink(gate, files, live, ids, may, store.packer)
    recipients = RecipientResolver(directory, live.settings, await sender_rewriting(files, directory, live, clock))
    onward = Onward(recipients, routes)
    notices = notifier(config, clock, live, onward)
    lists = open_lists(files, live, resolver, stack)
    return Parts(
        settings=live.settings,
        counters=counters,
        recipients=recipients,
        routes=routes,
        resolver=resolver,
        reject_list=lists.rejected,
        block_lists=lists.block_lists,
        sink=sink,
        quarantine=stack.enter_context(closing(held_mail(gate, files, live, ids, store.packer))),
        receipts=Receipts(notices, sink, traces),
        clock=clock,
        node_name=config.name,
        signing_keys=stack.enter_context(closing(SqliteSigningKeys(files.directory))),
        store=store,
        directory=directory,
        scripts=stack.enter_context(closing(SqliteScripts(files.directory))),
        scripts_writer=RemoteScriptsWriter(gate.call),
        notices=notices,
        onward=onward.own_mail,
        ids=ids,
        reports=ReportDesk(lambda seen: gate.tell(SEEN_TELL, encoded(seen)), receiver(gate.call)),
        engines=spam_engines(live.settings),
        senders=stack.enter_context(closing(SqliteSenders(files.directory))),
        junk_book=stack.enter_context(closing(SqliteJunk(files.directory))),
        triplets=triplets,
        viruses=viruses,
        allowances=may,
    )
