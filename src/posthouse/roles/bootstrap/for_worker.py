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
from posthouse.backends.courier_server import CourierServer
from posthouse.backends.locks import FileLocks
from posthouse.backends.passwords import Argon2Hasher
from posthouse.backends.room import Room
from posthouse.backends.sqlite.bulk import TELL as BULK_TELL
from posthouse.backends.sqlite.configuration import SqliteConfigurationReader
from posthouse.backends.sqlite.gate_client import GateClient
from posthouse.backends.sqlite.mail_reports import FAILED_TELL, SEEN_TELL, receiver
from posthouse.backends.sqlite.scripts_writer import RemoteScriptsWriter
from posthouse.backends.sqlite.suppressions import SqliteSuppressions
from posthouse.backends.sqlite.textindex import SqliteTextIndex
from posthouse.backends.sqlite.traces import RemoteTraceLog
from posthouse.backends.sqlite.triplets import RemoteTripletWriter
from posthouse.backends.sqlite.unknown_recipients import RemoteUnknownWriter
from posthouse.base.clock import SystemClock
from posthouse.directory.authenticate import Authenticator, LoginHooks
from posthouse.directory.device_logins import DeviceLogins
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.spans import Spans
from posthouse.interfaces.traces import TraceLog
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.path import Parts, stages
from posthouse.pipeline.take_reports import ReportDesk
from posthouse.reporting.failures import encoded as failure_encoded
from posthouse.reporting.tallies import encoded
from posthouse.roles.bootstrap.delivering import takes_outgoing
from posthouse.roles.bootstrap.holding import account_watch, barred
from posthouse.roles.bootstrap.key_rings import workers_key_ring
from posthouse.roles.bootstrap.outgoing import node_secret
from posthouse.roles.bootstrap.path_parts import Ways, path_parts
from posthouse.roles.bootstrap.resolving import open_resolver
from posthouse.roles.bootstrap.scanning import virus_scanning
from posthouse.roles.bootstrap.telling import open_spans
from posthouse.roles.bootstrap.token_logins import token_logins
from posthouse.roles.bootstrap.triplets import chosen_triplets
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live
from posthouse.servers.services import Services


@dataclass(frozen=True, slots=True)
class Worker:
    """``close`` lets go of everything, last in first out. ``couriers`` takes mail to other hosts, and is closed before."""

    services: Services
    couriers: CourierServer
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
    gate, traces = _gate(files, live, bus, stack)
    devices, counters = DeviceLogins(live.settings, SystemClock(), bus), BusCounters(bus, SystemClock(), name)
    ways = Ways(
        gate=gate,
        traces=traces,
        scripts_writer=RemoteScriptsWriter(gate.call),
        counters=counters,
        resolver=open_resolver(config, bus),
        triplets=chosen_triplets(files, RemoteTripletWriter(gate.call), live, bus, stack),
        unknown=RemoteUnknownWriter(gate.call),
        reports=_reports(gate, files, stack),
        viruses=virus_scanning(live, SystemClock(), bus, stack),
        device_logins=devices,
        watch=account_watch(config, live, counters, SystemClock(), gate.call, stack),
        tell_bulk=partial(gate.tell, BULK_TELL),
    )
    parts = await path_parts(config, live, ways, stack)
    clock, ids, directory, hooks = parts.clock, parts.ids, parts.directory, _hooks(config, live, ways, devices)
    hasher, key = stack.enter_context(closing(Argon2Hasher())), await node_secret(files)
    services = Services(
        node_name=config.name,
        settings=live.settings,
        tls_context=live.contexts.current,
        clock=clock,
        ids=ids,
        directory=directory,
        authenticator=Authenticator(directory, hasher, counters, live.settings, clock, asyncio.sleep, key, hooks),
        store=parts.store,
        sink=parts.sink,
        traces=traces,
        bus=bus,
        counters=counters,
        driver=_driver(config, parts, traces, open_spans(config, live, name, stack)),
        locks=stack.enter_context(closing(FileLocks(files.locks))),
        control_path=str(files.control),
        text_index=stack.enter_context(closing(SqliteTextIndex(files.search, files.mail))),
        scripts=parts.scripts,
        reject_list=parts.reject_list,
        scripts_writer=parts.scripts_writer,
        allowances=parts.allowances,
        key_ring=workers_key_ring(config, files, gate.call, clock, key, stack),
    )
    return Worker(services, await takes_outgoing(config, live, files, name), stack)


def _hooks(config: NodeConfig, live: Live, ways: Ways, devices: DeviceLogins) -> LoginHooks:
    tokens = token_logins(live, ways.resolver, config.data, SystemClock())
    return LoginHooks(devices.admitted, barred(ways.watch.holds, live), tokens)


def _driver(config: NodeConfig, parts: Parts, traces: TraceLog, spans: Spans) -> Driver:
    return Driver(
        stages(parts),
        settings=parts.settings,
        clock=parts.clock,
        ids=parts.ids,
        traces=traces,
        node_name=config.name,
        spans=spans,
    )


def _reports(gate: GateClient, files: Files, stack: AsyncExitStack) -> ReportDesk:
    suppressions = stack.enter_context(closing(SqliteSuppressions(files.outgoing)))
    return ReportDesk(
        lambda seen: gate.tell(SEEN_TELL, encoded(seen)),
        lambda failure: gate.tell(FAILED_TELL, failure_encoded(failure)),
        receiver(gate.call),
        suppressions,
    )


def _gate(files: Files, live: Live, bus: Bus, stack: AsyncExitStack) -> tuple[GateClient, RemoteTraceLog]:
    """The way to the steward, and the traces that go by it."""
    gate = GateClient(files.gate, bus.deliver)
    stack.push_async_callback(gate.close)
    room = Room(files.traces.parent, lambda: live.settings().store.min_free_bytes)
    traces = RemoteTraceLog(partial(gate.tell, "trace"), files.traces, room.is_short)
    return gate, stack.enter_context(closing(traces))
