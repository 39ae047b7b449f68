"""What operations know of other sites: their reports, and addresses that lists send no more to."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from dataclasses import replace

from posthouse.admin.context import Context
from posthouse.admin.suppressiondesk import SuppressionDesk
from posthouse.backends.sqlite.mail_reports import SqliteReportBook
from posthouse.backends.sqlite.suppressions import SqliteSuppressions, SqliteSuppressionsWriter
from posthouse.roles.bootstrap.writers import Writers
from posthouse.roles.data_files import Files


def with_reports(context: Context, files: Files, writers: Writers, stack: AsyncExitStack) -> Context:
    """The writer's file is there by now, so that it can be read."""
    reader = stack.enter_context(closing(SqliteSuppressions(files.outgoing)))
    desk = SuppressionDesk(reader, SqliteSuppressionsWriter(writers.outgoing))
    return replace(context, reports=SqliteReportBook(writers.outgoing), suppressions=desk)
