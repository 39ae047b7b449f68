"""What the stages of a message's path are given: the same in a worker, which walks new mail along it, and in the steward, which
walks on what was held."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import Any

from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.junk import SqliteJunk
from posthouse.backends.sqlite.limits import SqliteLimits
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.reading import Reading
from posthouse.backends.sqlite.routes import SqliteRoutes
from posthouse.backends.sqlite.scripts import SqliteScripts
from posthouse.backends.sqlite.senders import SqliteSenders
from posthouse.backends.sqlite.signing_keys import SqliteSigningKeys
from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.backends.sqlite.unknown_recipients import SqliteUnknownRecipients, UnknownWriting
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.directory.allowances import AllowanceBook
from posthouse.directory.device_logins import DeviceLogins
from posthouse.directory.resolve import RecipientResolver
from posthouse.interfaces.counters import Counters
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.scripts import ScriptsWriter
from posthouse.interfaces.traces import TraceLog
from posthouse.interfaces.triplets import Triplets
from posthouse.pipeline.account_watch import WatchTools
from posthouse.pipeline.antivirus import VirusScanning
from posthouse.pipeline.onward import Onward
from posthouse.pipeline.path import Parts
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.take_reports import ReportDesk
from posthouse.roles.bootstrap.asking import hosts_behind
from posthouse.roles.bootstrap.engines import EngineParts, spam_engines
from posthouse.roles.bootstrap.listing import open_lists
from posthouse.roles.bootstrap.looking_outside import outside_directory
from posthouse.roles.bootstrap.outgoing import held_mail, mail_sink, notifier, sender_rewriting
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


def _untold(_what: object) -> None:
    """What has been counted when it came is not counted again when it is released."""


@dataclass(frozen=True, slots=True)
class Ways:
    """By which a process writes, counts and asks."""

    gate: Gate
    traces: TraceLog
    scripts_writer: ScriptsWriter
    counters: Counters
    resolver: Resolver
    triplets: Triplets
    unknown: UnknownWriting
    reports: ReportDesk
    viruses: VirusScanning
    device_logins: DeviceLogins
    watch: WatchTools
    tell_bulk: Callable[[Any], None] = _untold
    """Takes what was seen of bulk mail on its way to who counts it."""


async def path_parts(config: NodeConfig, live: Live, ways: Ways, stack: AsyncExitStack) -> Parts:
    """What the stages need, in the process that walks it."""
    files, clock = Files.under(config.data), SystemClock()
    looked_up = stack.enter_context(closing(Reading(files.directory, MIGRATIONS)))
    ids, directory = Ids(clock), stack.enter_context(closing(SqliteDirectory(looked_up)))
    routes, may = SqliteRoutes(looked_up), AllowanceBook(SqliteLimits(looked_up), live.settings).of
    store = SqliteMailStore(ways.gate, files.mail, settings=lambda: live.settings().store, allowances=may)
    await stack.enter_context(closing(store)).ready()
    sink, lists = mail_sink(ways.gate, files, live, ids, may, store.packer), open_lists(looked_up, live, ways.resolver)
    rewriting = await sender_rewriting(files, directory, live, clock)
    recipients = RecipientResolver(directory, live.settings, rewriting, outside_directory(live, looked_up, config.name, stack))
    onward = Onward(recipients, routes, lambda: live.settings().route.message_router)
    notices = notifier(config, clock, live, onward, keys := SqliteSigningKeys(looked_up))
    probe, deliver = hosts_behind(config, live, ways.resolver, stack)
    return Parts(
        settings=live.settings,
        counters=ways.counters,
        recipients=recipients,
        routes=routes,
        resolver=ways.resolver,
        reject_list=lists.rejected,
        block_lists=lists.block_lists,
        probe=probe,
        hand_over=deliver,
        unknown=stack.enter_context(closing(SqliteUnknownRecipients(files.greylist, ways.unknown))),
        sink=sink,
        quarantine=stack.enter_context(closing(held_mail(ways.gate, files, live, ids, store.packer))),
        receipts=Receipts(notices, sink, ways.traces),
        clock=clock,
        node_name=config.name,
        signing_keys=keys,
        store=store,
        directory=directory,
        scripts=SqliteScripts(looked_up),
        scripts_writer=ways.scripts_writer,
        notices=notices,
        onward=onward.own_mail,
        ids=ids,
        reports=ways.reports,
        engines=spam_engines(EngineParts(files, live, lists.block_lists, ways.tell_bulk, stack)),
        senders=SqliteSenders(looked_up),
        junk_book=SqliteJunk(looked_up),
        triplets=ways.triplets,
        device_logins=ways.device_logins,
        watch=ways.watch,
        viruses=ways.viruses,
        allowances=may,
        is_short=store.packer.room.is_short,
        postponed=stack.enter_context(closing(SqliteSpool(ways.gate, files.mail))).postponed,
    )
