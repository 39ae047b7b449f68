"""Migration jobs as a node has them: the record in ``migrations.db``, files and servers as the other side (PLN-4)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from posthouse.admin.context import Context
from posthouse.backends.mail_places import LocalPlaces
from posthouse.backends.sealing import Seal
from posthouse.backends.sqlite.migrations import SqliteMigrationRecord, open_migrations_file
from posthouse.migration.jobs import LOOK_S, MigrationJobs


async def with_migrations(context: Context, data: Path, stack: AsyncExitStack, *, running: bool) -> Context:
    """``context`` with the jobs of the node whose data folder this is; ``running``: they go on in the background, otherwise who
    begins one waits to its end. ``stack`` interrupts them and closes the record."""
    database = open_migrations_file(data / "migrations.db")
    stack.callback(database.close)
    record = SqliteMigrationRecord(database, Seal(data / "secrets.key"))
    places, look_s = LocalPlaces(), LOOK_S if running else None
    jobs = MigrationJobs(record, places, context.store, context.clock, context.ids, look_s=look_s)
    stack.push_async_callback(jobs.close)
    if running:
        await jobs.go_on()
    return replace(context, migrations=jobs)
