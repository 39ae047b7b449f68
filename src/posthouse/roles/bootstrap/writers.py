"""The one writer of each database, and the gate by which the workers reach it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from posthouse.backends import notices
from posthouse.backends.sqlite.account_holds import PLACES_CALL, SqliteAccountHoldsWriter, places_handler
from posthouse.backends.sqlite.api_tokens import CALL as API_TOKENS_CALL
from posthouse.backends.sqlite.api_tokens import SqliteApiTokensWriter
from posthouse.backends.sqlite.api_tokens import handler as api_tokens_handler
from posthouse.backends.sqlite.bulk import TELL as BULK_TELL
from posthouse.backends.sqlite.bulk_writer import BulkWriter
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.backends.sqlite.gate import CallHandler, GateServer
from posthouse.backends.sqlite.mail_reports import FAILED_TELL, REPORT_CALL, SEEN_TELL, SqliteReportBook
from posthouse.backends.sqlite.mail_reports import handler as report_handler
from posthouse.backends.sqlite.outgoing_schema import open_outgoing_file
from posthouse.backends.sqlite.scripts_writer import CALL as SCRIPTS_CALL
from posthouse.backends.sqlite.scripts_writer import SqliteScriptsWriter
from posthouse.backends.sqlite.scripts_writer import handler as scripts_handler
from posthouse.backends.sqlite.spam_lessons import open_spam_file
from posthouse.backends.sqlite.suppressions import SqliteSuppressionsWriter
from posthouse.backends.sqlite.trace_writer import TraceWriter
from posthouse.backends.sqlite.triplet_writer import CALL as TRIPLETS_CALL
from posthouse.backends.sqlite.triplet_writer import TripletWriter
from posthouse.backends.sqlite.triplet_writer import handler as triplets_handler
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import SystemClock
from posthouse.interfaces.bus import Bus
from posthouse.reporting.failures import Failures
from posthouse.reporting.tallies import Tallies
from posthouse.roles.data_files import Files
from posthouse.roles.seldom import Seldom


@dataclass(frozen=True, slots=True)
class Writers:
    """The one writer of each database."""

    directory: DatabaseThread
    traces: TraceWriter
    triplets: TripletWriter
    bulk: BulkWriter
    mail: MailWriterThread
    outgoing: DatabaseThread
    spam: DatabaseThread
    tallies: Tallies
    failures: Failures
    calls: dict[str, CallHandler]
    """What the gate takes beside units; more may be added before the workers come."""


async def open_writers(files: Files, bus: Bus, stack: AsyncExitStack, *, gate: bool) -> Writers:
    """Opens all databases for writing, and with ``gate`` lets the workers in."""
    directory = open_directory_file(files.directory)
    stack.callback(directory.close)
    await directory.run(lambda _: None)  # makes the file, so that readers find it
    traces = TraceWriter(files.traces)
    stack.callback(traces.close)
    triplets = TripletWriter(files.greylist)
    stack.callback(triplets.close)
    outgoing = open_outgoing_file(files.outgoing)
    stack.callback(outgoing.close)
    await outgoing.run(lambda _: None)
    reports = SqliteReportBook(outgoing)
    tallies, failures = Tallies(reports, SystemClock()), Failures(SystemClock())
    spam = open_spam_file(files.spam)
    stack.callback(spam.close)
    await spam.run(lambda _: None)
    bulk = BulkWriter(files.bulk)
    stack.callback(bulk.close)
    loop = asyncio.get_running_loop()

    def committed(what: notices.Committed) -> None:
        if what.queue:
            loop.call_soon_threadsafe(bus.publish, "queue", {})
        if what.bodies:
            bodies.call()

    bodies = Seldom(loop, partial(bus.publish, "bodies", {}))
    mail = MailWriterThread(files.mail, committed)
    mail.start()
    calls: dict[str, CallHandler] = {
        SCRIPTS_CALL: scripts_handler(SqliteScriptsWriter(directory)),
        REPORT_CALL: report_handler(reports, SqliteSuppressionsWriter(outgoing)),
        API_TOKENS_CALL: api_tokens_handler(SqliteApiTokensWriter(directory)),
        PLACES_CALL: places_handler(SqliteAccountHoldsWriter(outgoing)),
    }
    if gate:
        posts = {TRIPLETS_CALL: triplets_handler(triplets)}
        tells = {
            "trace": traces.write,
            SEEN_TELL: tallies.dmarc_encoded,
            FAILED_TELL: failures.encoded,
            BULK_TELL: bulk.told,
        }
        server = GateServer(files.gate, mail, calls=calls, posts=posts, tells=tells)
        await server.start()
        stack.push_async_callback(server.stop)  # after the writing thread, so that its last answers still leave
    stack.callback(mail.stop)
    return Writers(directory, traces, triplets, bulk, mail, outgoing, spam, tallies, failures, calls)
