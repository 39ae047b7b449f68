"""Migration jobs on the real record and the real files, with the in-memory store; and messages to migrate."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posthouse.backends.mail_places import LocalPlaces
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.sealing import Seal
from posthouse.backends.sqlite.migrations import SqliteMigrationRecord, open_migrations_file
from posthouse.base.clock import ManualClock
from posthouse.base.ids import Ids
from posthouse.interfaces.mail_source import MailPlaces
from posthouse.interfaces.mailstore import MailStore
from posthouse.migration.jobs import MigrationJobs
from posthouse.model.flags import flag_names
from posthouse.model.mailbox import NewMessage
from posthouse.model.migration import Direction, Job, JobSpec, Medium

JANE = 1
Kept = tuple[bytes, tuple[str, ...], int]


@dataclass
class MigrationHouse:
    """`slept` are the pauses that jobs made."""

    store: MailStore
    record: SqliteMigrationRecord
    clock: ManualClock
    jobs: MigrationJobs
    slept: list[float]

    async def run(self, spec: JobSpec, password: str = "") -> Job:
        """A job, run to its end."""
        job = await self.jobs.begin(spec, password)
        await self.jobs.wait(job.job_id)
        return await self.jobs.job(job.job_id)

    async def again(self, job: Job, *, remove: bool = False) -> Job:
        """Its delta, run to its end."""
        await self.jobs.delta(job.job_id, remove=remove)
        await self.jobs.wait(job.job_id)
        return await self.jobs.job(job.job_id)

    async def mailbox(self, name: str) -> int:
        info = await self.store.mailbox(JANE, name) or await self.store.create(JANE, name)
        return info.mailbox_id

    async def kept(self, name: str) -> list[Kept]:
        """What a mailbox holds, in its order: contents, flags, dates."""
        return await kept(self.store, JANE, name)

    async def fill(self, name: str, messages: Sequence[NewMessage]) -> None:
        await self.store.append(await self.mailbox(name), messages)


def spec(direction: Direction, medium: Medium, path: Path, mailbox: str = "") -> JobSpec:
    return JobSpec(JANE, "jane@example.test", direction, medium, str(path), None, mailbox)


async def kept(store: MailStore, account_id: int, name: str) -> list[Kept]:
    """What a mailbox holds, in its order: contents, flags, dates."""
    info = await store.mailbox(account_id, name)
    assert info is not None, name
    _, rows = await store.rows(info.mailbox_id)
    flags = {row.uid: tuple(sorted(flag_names(row.flags, info.keywords))) for row in rows}
    return [
        (await store.content(each.body_id), flags[each.uid], int(each.received_at))
        for each in await store.facts(info.mailbox_id, [row.uid for row in rows])
    ]


@contextmanager
def migration_house(
    folder: Path, *, places: MailPlaces | None = None, store: MailStore | None = None
) -> Iterator[MigrationHouse]:
    """`folder` holds the record."""
    clock, slept = ManualClock(), list[float]()
    database = open_migrations_file(folder / "migrations.db")
    record = SqliteMigrationRecord(database, Seal(folder / "secrets.key"))
    store = store or MemoryMailStore(clock=clock)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    jobs = MigrationJobs(record, places or LocalPlaces(), store, clock, Ids(clock), sleep=sleep)
    try:
        yield MigrationHouse(store, record, clock, jobs, slept)
    finally:
        database.close()


FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "Work")
BODIES = (
    b"Hello.\r\n",
    b"From here to there\r\n>From quoted\r\n\r\nFrom jane@example.test Sat Jan  3 01:05:34 1996\r\n",
    b"\r\n\r\nThree empty lines\r\n\r\n\r\n",
    "Grüße ☃\r\n".encode(),
    b"a" * 3000 + b"\r\n.\r\n..\r\n",
    b"",
)


def letters(count: int, seed: int = 1) -> list[NewMessage]:
    """Messages of many kinds, with flags, keywords and dates, the same for the same seed."""
    chance = random.Random(seed)
    out = []
    for number in range(count):
        head = f"From: <lena{number}@elsewhere.test>\r\nTo: jane@example.test\r\nSubject: {seed}.{number}\r\n"
        if chance.random() < 0.3:
            head = f"Return-Path: <bounce{number}@elsewhere.test>\r\nX-Folded: a\r\n\tb\r\n" + head
        flags = tuple(flag for flag in FLAGS if chance.random() < 0.3)
        out.append(NewMessage(head.encode() + b"\r\n" + chance.choice(BODIES), flags, 1_600_000_000.0 + number * 1000))
    return out
