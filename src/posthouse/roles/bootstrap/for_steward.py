"""The steward's parts: the writers and their gate, operations, the queue's runner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from posthouse.admin.context import Context
from posthouse.admin.ldapdesk import outside_of
from posthouse.backends.counters import BusCounters
from posthouse.backends.sqlite.configuration import SqliteConfiguration
from posthouse.backends.sqlite.search_schema import wish_anew
from posthouse.backends.sqlite.suppressions import SqliteSuppressionsWriter
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.directory.resolve import RecipientResolver
from posthouse.directory.standing import is_there
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.resolver import Resolver
from posthouse.model.settings import QueueSettings, Settings
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.report_letters import ReportTools
from posthouse.pipeline.send_failures import FailureSender
from posthouse.pipeline.send_reports import ReportSender
from posthouse.queue.attempt import Tools
from posthouse.queue.runner import QueueRunner
from posthouse.roles.bootstrap.checks import with_checks
from posthouse.roles.bootstrap.delivering import https, ways_out
from posthouse.roles.bootstrap.holding import with_holds
from posthouse.roles.bootstrap.key_rings import with_key_ring
from posthouse.roles.bootstrap.looking_outside import with_ldap
from posthouse.roles.bootstrap.operations import operations_context
from posthouse.roles.bootstrap.outgoing import notifier, sender_rewriting
from posthouse.roles.bootstrap.outgoing_desk import with_reports
from posthouse.roles.bootstrap.releasing import with_releases
from posthouse.roles.bootstrap.resolving import open_resolver
from posthouse.roles.bootstrap.scanning import start_virus_watch, with_viruses
from posthouse.roles.bootstrap.telling import open_spans
from posthouse.roles.bootstrap.training import Chore, start_training, with_engines
from posthouse.roles.bootstrap.triplets import with_unknown_recipients
from posthouse.roles.bootstrap.writers import Writers, open_writers
from posthouse.roles.config import NodeConfig
from posthouse.roles.daily_reports import DailyReports
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live
from posthouse.roles.migrations import with_migrations
from posthouse.roles.node_control import BusNodeControl
from posthouse.roles.rehearsal_process import RehearsalProcess
from posthouse.servers.control import ControlServer

DRAIN_S = 10.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Steward:
    """The running steward: the writer of all databases, its gate for the workers, operations."""

    context: Context
    settings: Callable[[], Settings]
    chores: Sequence[Chore]
    stack: AsyncExitStack

    async def close(self) -> None:
        """Ends operations, commits what waits, closes the databases."""
        await self.stack.aclose()


async def steward(config: NodeConfig, bus: Bus) -> Steward:
    """Opens the databases for writing, starts the gate and the control socket. Raises MailError, OSError."""
    files, stack = Files.under(config.data), AsyncExitStack()
    writers = await open_writers(files, bus, stack, gate=True)
    configuration = SqliteConfiguration(files.directory, writers.directory)
    stack.callback(configuration.close)
    live = Live(config.data, configuration.load)
    stack.push_async_callback(live.close)
    await live.start(bus)
    ids = Ids(SystemClock())
    node = BusNodeControl(bus, ids, config.name, config.data, live.settings)
    resolver = open_resolver(config, bus)
    context = operations_context(files, writers, bus, live, node, stack, partial(_index_anew, files, bus), resolver)
    context = with_ldap(config, context, writers, live, stack)
    context = with_reports(context, files, writers, stack)
    context = await with_key_ring(context, files, writers, stack)
    context = with_unknown_recipients(context, files, writers.triplets, stack)
    context = with_holds(config, context, writers, live, BusCounters(bus, context.clock, "steward"), stack)
    onward, refresh = await _start_queue(config, context, writers, live, resolver, stack)
    reports = _daily_reports(config, context, writers, live, resolver, onward)
    stack.push_async_callback(reports.write_down)
    context = replace(context, send_reports=reports.send_now)
    context = with_viruses(with_checks(context, config, live, bus), config, live)
    start_virus_watch(config, context, live, onward, stack)
    context = await with_releases(config, context, writers, live, resolver, stack)
    context = replace(context, rehearsals=RehearsalProcess(config.path, context.clock))
    training = with_engines(context, files, writers, live, stack)
    start_training(training, stack)
    context = await with_migrations(training.context, config.data, stack, running=True)
    control = ControlServer(context, files.control)
    await control.start()
    stack.push_async_callback(control.close)
    return Steward(context, live.settings, [*reports.chores, *training.chores, refresh], stack)


def _index_anew(files: Files, bus: Bus) -> None:
    wish_anew(files.search)
    bus.publish("search-anew", {})


async def _start_queue(
    config: NodeConfig, context: Context, writers: Writers, live: Live, resolver: Resolver, stack: AsyncExitStack
) -> tuple[Onward, Chore]:
    """The runner of the outbound queue, woken by new mail and by operations. Gives where the node's own mail goes, and
    a chore."""

    def queue() -> QueueSettings:
        return live.settings().queue

    def own_names() -> Sequence[str]:
        return [name for name in (live.settings().smtp.hostname, config.name) if name]

    assert context.holds is not None, "with_holds comes first"
    rewriting = await sender_rewriting(Files.under(config.data), context.directory, live, context.clock)
    router = lambda: live.settings().route.message_router  # noqa: E731
    onward = Onward(RecipientResolver(context.directory, live.settings, rewriting, outside_of(context)), context.routes, router)
    tell = writers.tallies.tls
    targets, courier, sts = ways_out(config, writers.outgoing, tell, resolver, queue, own_names, context.clock)
    tools = Tools(
        spool=context.spool,
        courier=courier,
        targets=targets,
        notices=notifier(config, context.clock, live, onward, context.signing_keys),
        traces=context.traces,
        spans=open_spans(config, live, "steward", stack),
        clock=context.clock,
        settings=queue,
        forwarded=rewriting.forwarded,
        has_account=partial(is_there, context.directory),
        suppressions=SqliteSuppressionsWriter(writers.outgoing),
        unknown=context.unknown_recipients,
        unknown_s=lambda: live.settings().smtp.unknown_recipient_s,
        on_hold=context.holds.reader.is_held,
        bounced=context.holds.bounced,
        smart_host=lambda: live.settings().route.smart_host,
    )
    runner = QueueRunner(tools)
    context.bus.subscribe("queue", lambda told: runner.wake(retry=bool(told.get("retry"))))
    task = asyncio.create_task(runner.run())

    async def end() -> None:
        await runner.drain(DRAIN_S)
        task.cancel()

    stack.push_async_callback(end)
    return onward, (HOUR_S, sts.refresh)


def _daily_reports(
    config: NodeConfig, context: Context, writers: Writers, live: Live, resolver: Resolver, onward: Onward
) -> DailyReports:
    """Reports to other sites."""
    assert context.reports is not None, "the steward has a book of reports"
    tools = ReportTools(
        book=context.reports,
        resolver=resolver,
        directory=context.directory,
        signing_keys=context.signing_keys,
        sink=context.sink,
        web=https(resolver, lambda: live.settings().queue),
        onward=onward.own_mail,
        settings=live.settings,
        clock=context.clock,
        ids=context.ids,
        node_name=config.name,
    )
    return DailyReports(
        context.reports,
        writers.tallies,
        ReportSender(tools),
        FailureSender(tools, writers.failures),
        live.settings,
        context.clock,
    )
