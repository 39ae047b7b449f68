"""What operations are given: the services of the steward, or of a node that does not run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from functools import partial

from posthouse.admin.context import Context
from posthouse.admin.junkdesk import JunkDesk
from posthouse.admin.nodecontrol import NodeControl
from posthouse.backends.passwords import Argon2Hasher
from posthouse.backends.sqlite.care import SqliteStoreCare
from posthouse.backends.sqlite.check import problems
from posthouse.backends.sqlite.configuration import SqliteConfiguration
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter
from posthouse.backends.sqlite.junk import SqliteJunk, SqliteJunkWriter
from posthouse.backends.sqlite.limits import SqliteLimits, SqliteLimitsWriter
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.reading import Reading
from posthouse.backends.sqlite.routes import SqliteRoutes, SqliteRoutesWriter
from posthouse.backends.sqlite.scripts import SqliteScripts
from posthouse.backends.sqlite.scripts_writer import SqliteScriptsWriter
from posthouse.backends.sqlite.senders import SqliteSenders, SqliteSendersWriter
from posthouse.backends.sqlite.signing_keys import SqliteSigningKeys, SqliteSigningKeysWriter
from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.backends.sqlite.textindex import SqliteTextIndex
from posthouse.backends.sqlite.traces import LocalTraceLog
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.directory.allowances import AllowanceBook
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.resolver import Resolver
from posthouse.mailstore import envelope
from posthouse.roles.bootstrap.listing import list_desk, open_lists
from posthouse.roles.bootstrap.outgoing import held_mail, mail_sink
from posthouse.roles.bootstrap.scorer import scorer_desk
from posthouse.roles.bootstrap.triplets import chosen_triplets
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live


def operations_context(
    files: Files,
    writers: Writers,
    bus: Bus,
    live: Live,
    node: NodeControl,
    stack: AsyncExitStack,
    clear_index: Callable[[], None],
    resolver: Resolver,
) -> Context:
    clock, gate = SystemClock(), LocalGate(writers.mail)
    ids, looked_up = Ids(clock), stack.enter_context(closing(Reading(files.directory, MIGRATIONS)))
    may = AllowanceBook(limits := SqliteLimits(looked_up), live.settings).of
    store = SqliteMailStore(gate, files.mail, settings=lambda: live.settings().store, allowances=may)
    spool = SqliteSpool(gate, files.mail, lifetime_s=lambda: live.settings().queue.lifetime_s, ids=ids, packer=store.packer)
    stack.callback(store.close)
    stack.callback(spool.close)
    traces = stack.enter_context(closing(LocalTraceLog(writers.traces, files.traces)))
    return Context(
        clock=clock,
        ids=ids,
        directory=stack.enter_context(closing(SqliteDirectory(looked_up))),
        directory_writer=SqliteDirectoryWriter(writers.directory),
        routes=SqliteRoutes(looked_up),
        routes_writer=SqliteRoutesWriter(writers.directory),
        signing_keys=SqliteSigningKeys(looked_up),
        signing_keys_writer=SqliteSigningKeysWriter(writers.directory),
        scripts=SqliteScripts(looked_up),
        scripts_writer=SqliteScriptsWriter(writers.directory),
        configuration=stack.enter_context(closing(SqliteConfiguration(files.directory, writers.directory))),
        store=store,
        spool=spool,
        quarantine=stack.enter_context(closing(held_mail(gate, files, live, ids, store.packer))),
        sink=mail_sink(gate, files, live, ids, may, store.packer),
        traces=traces,
        hasher=stack.enter_context(closing(Argon2Hasher())),
        bus=bus,
        node=node,
        checker=partial(problems, files.mail),
        care=stack.enter_context(closing(SqliteStoreCare(gate, files.mail, clock, store.packer.on, envelope.texts))),
        limits=limits,
        limits_writer=SqliteLimitsWriter(writers.directory),
        allowances=may,
        scorer=scorer_desk(writers.spam, live, resolver, clock),
        junk=_junk_desk(looked_up, writers),
        lists=list_desk(open_lists(looked_up, live, resolver), writers.directory),
        text_index=stack.enter_context(closing(SqliteTextIndex(files.search, files.mail))),
        clear_index=clear_index,
        triplets=chosen_triplets(files, writers.triplets, live, bus, stack),
    )


def _junk_desk(looked_up: Reading, writers: Writers) -> JunkDesk:
    return JunkDesk(
        senders=SqliteSenders(looked_up),
        senders_writer=SqliteSendersWriter(writers.directory),
        book=SqliteJunk(looked_up),
        book_writer=SqliteJunkWriter(writers.directory),
    )
