"""The record of migration jobs in ``migrations.db`` (interfaces/migrations.py), written by the steward alone.

It holds the passwords of the other servers, sealed with a key in a file beside it, until a job is done: so that a job goes on
by itself after a crash. What is forgotten is overwritten. Which message became which is kept per folder, one row a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec

from posthouse.backends.sealing import Seal
from posthouse.backends.sqlite.database import DatabaseThread, open_writer
from posthouse.interfaces.migrations import Entry, FolderRecord
from posthouse.model.migration import Counts, Job, JobProblem, JobSpec, JobState

MAX_PROBLEMS = 1_000

_SCHEMA = """
CREATE TABLE job (
    job_id TEXT PRIMARY KEY,
    spec BLOB NOT NULL,
    state TEXT NOT NULL,
    begun_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    counts BLOB NOT NULL,
    remove INTEGER NOT NULL,
    reason TEXT NOT NULL,
    runs INTEGER NOT NULL,
    password TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE folder (
    folder_id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES job ON DELETE CASCADE,
    name TEXT NOT NULL,
    reference TEXT NOT NULL DEFAULT '',
    mark TEXT NOT NULL DEFAULT '',
    UNIQUE (job_id, name)
) STRICT;
CREATE TABLE entry (
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    received_at REAL NOT NULL,
    flags TEXT NOT NULL,
    target_key TEXT,
    PRIMARY KEY (folder_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_by_digest ON entry (digest);
CREATE TABLE problem (
    job_id TEXT NOT NULL REFERENCES job ON DELETE CASCADE,
    at REAL NOT NULL,
    folder TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX problem_by_job ON problem (job_id);
"""
# Passwords that were kept in clear are dropped: a job that is under way asks for its password again.
_SEALED = """
ALTER TABLE job DROP COLUMN password;
ALTER TABLE job ADD COLUMN sealed BLOB NOT NULL DEFAULT x'';
"""
MIGRATIONS = (_SCHEMA, _SEALED)
_JOB = "SELECT job_id, spec, state, begun_at, changed_at, counts, remove, reason, runs FROM job"
_CHANGE_JOB = (
    "UPDATE job SET state = ?1, changed_at = ?2, reason = ?3, counts = ifnull(?4, counts), remove = ifnull(?5, remove),"
    " sealed = iif(?7, x'', ifnull(?6, sealed)), runs = runs + ?7 WHERE job_id = ?8"
)
_ELSEWHERE = (
    "SELECT 1 FROM entry JOIN folder USING (folder_id) WHERE digest = ? AND job_id = ? AND folder_id <> ?"
    " AND target_key IS NOT NULL LIMIT 1"
)
_encode = msgspec.json.encode
_spec_of = msgspec.json.Decoder(JobSpec).decode
_counts_of = msgspec.json.Decoder(Counts).decode


def open_migrations_file(path: Path) -> DatabaseThread:
    """The thread that reads and writes it."""
    return DatabaseThread(partial(_open, path), "migrations")


def _open(path: Path) -> apsw.Connection:
    database = open_writer(path, MIGRATIONS, prepare="PRAGMA secure_delete = ON")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


class SqliteMigrationRecord:
    """``interfaces.migrations.MigrationRecord``."""

    def __init__(self, database: DatabaseThread, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def add_job(self, job: Job, password: str) -> None:
        row = (job.job_id, _encode(job.spec), job.state, job.begun_at, job.changed_at, _encode(job.counts), int(job.remove),
               job.reason, job.runs)  # fmt: skip

        def work(db: apsw.Connection) -> None:
            sealed = self._seal.closed(password, job.job_id) if password else b""
            db.execute("INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, sealed))

        await self._database.write(work)

    async def job(self, job_id: str) -> Job | None:
        rows = await self._all(f"{_JOB} WHERE job_id = ?", (job_id,))
        return _job_of(rows[0]) if rows else None

    async def jobs(self) -> Sequence[Job]:
        return [_job_of(row) for row in await self._all(f"{_JOB} ORDER BY job_id", ())]

    async def password(self, job_id: str) -> str:
        def work(db: apsw.Connection) -> str:
            rows: list[Any] = list(db.execute("SELECT sealed FROM job WHERE job_id = ?", (job_id,)))
            return (rows and rows[0][0] and self._seal.opened(rows[0][0], job_id)) or ""

        return await self._database.run(work)

    async def change_job(
        self,
        job_id: str,
        *,
        state: JobState,
        at: float,
        reason: str = "",
        counts: Counts | None = None,
        remove: bool | None = None,
        password: str | None = None,
        finished: bool = False,
    ) -> None:
        def work(db: apsw.Connection) -> None:
            sealed = None if password is None else self._seal.closed(password, job_id)
            row = (state, at, reason, None if counts is None else _encode(counts), remove, sealed, finished, job_id)
            db.execute(_CHANGE_JOB, row)

        await self._database.write(work)

    async def delete_job(self, job_id: str) -> None:
        await self._write("DELETE FROM job WHERE job_id = ?", (job_id,))

    async def folder(self, job_id: str, name: str) -> FolderRecord:
        def work(db: apsw.Connection) -> FolderRecord:
            db.execute("INSERT INTO folder (job_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (job_id, name))
            sql = "SELECT folder_id, reference, mark FROM folder WHERE job_id = ? AND name = ?"
            rows: list[Any] = list(db.execute(sql, (job_id, name)))
            return FolderRecord(*rows[0])

        return await self._database.write(work)

    async def change_folder(self, folder_id: int, *, reference: str, detach: bool) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("UPDATE folder SET reference = ? WHERE folder_id = ?", (reference, folder_id))
            if detach:
                db.execute("DELETE FROM entry WHERE folder_id = ? AND target_key IS NULL", (folder_id,))
                db.execute("UPDATE entry SET target_key = '' WHERE folder_id = ?", (folder_id,))

        await self._database.write(work)

    async def entries(self, folder_id: int) -> Sequence[Entry]:
        seen: dict[str, tuple[str, ...]] = {}

        def work(db: apsw.Connection) -> list[Entry]:
            sql = "SELECT key, digest, received_at, flags, target_key FROM entry WHERE folder_id = ? ORDER BY key"
            # Few sets of flags serve very many messages: one tuple each.
            return [
                Entry(key, digest, at, seen.setdefault(flags, tuple(flags.split())), target_key)
                for key, digest, at, flags, target_key in db.execute(sql, (folder_id,))
            ]

        return await self._database.run(work)

    async def intend(self, folder_id: int, mark: str, entries: Sequence[Entry]) -> None:
        rows = [(folder_id, each.key, each.digest, each.received_at, " ".join(each.flags), each.target_key) for each in entries]

        def work(db: apsw.Connection) -> None:
            db.execute("UPDATE folder SET mark = ? WHERE folder_id = ?", (mark, folder_id))
            db.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)", rows)

        await self._database.write(work)

    async def settle(self, folder_id: int, added: Mapping[str, str], dropped: Sequence[str], counts: Counts) -> None:
        def work(db: apsw.Connection) -> None:
            sql = "UPDATE entry SET target_key = ? WHERE folder_id = ? AND key = ?"
            db.executemany(sql, [(target, folder_id, key) for key, target in added.items()])
            _forget(db, folder_id, dropped)
            sql = "UPDATE job SET counts = ? WHERE job_id = (SELECT job_id FROM folder WHERE folder_id = ?)"
            db.execute(sql, (_encode(counts), folder_id))

        await self._database.write(work)

    async def rename(self, folder_id: int, keys: Mapping[str, str]) -> None:
        sql = "UPDATE OR REPLACE entry SET key = ? WHERE folder_id = ? AND key = ?"
        await self._write_many(sql, [(new, folder_id, old) for old, new in keys.items()])

    async def note_flags(self, folder_id: int, flags: Mapping[str, tuple[str, ...]]) -> None:
        sql = "UPDATE entry SET flags = ? WHERE folder_id = ? AND key = ?"
        await self._write_many(sql, [(" ".join(each), folder_id, key) for key, each in flags.items()])

    async def forget(self, folder_id: int, keys: Sequence[str]) -> None:
        await self._database.write(lambda db: _forget(db, folder_id, keys))

    async def known_elsewhere(self, job_id: str, folder_id: int, digest: bytes) -> bool:
        return bool(await self._all(_ELSEWHERE, (digest, job_id, folder_id)))

    async def add_problem(self, job_id: str, problem: JobProblem) -> None:
        sql = (
            "INSERT INTO problem SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM job WHERE job_id = ?)"
            " AND (SELECT count(*) FROM problem WHERE job_id = ?) < ?"
        )
        row = (job_id, problem.at, problem.folder, problem.key, problem.text, job_id, job_id, MAX_PROBLEMS)
        await self._write(sql, row)

    async def problems(self, job_id: str) -> Sequence[JobProblem]:
        rows = await self._all("SELECT at, folder, key, text FROM problem WHERE job_id = ? ORDER BY rowid", (job_id,))
        return [JobProblem(*row) for row in rows]

    async def clear_problems(self, job_id: str) -> None:
        await self._write("DELETE FROM problem WHERE job_id = ?", (job_id,))

    async def _all(self, sql: str, bindings: tuple[Any, ...]) -> list[Any]:
        return await self._database.run(lambda db: list(db.execute(sql, bindings)))

    async def _write(self, sql: str, bindings: tuple[Any, ...]) -> None:
        await self._write_many(sql, [bindings])

    async def _write_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        def work(db: apsw.Connection) -> None:
            db.executemany(sql, rows)

        await self._database.write(work)


def _forget(db: apsw.Connection, folder_id: int, keys: Sequence[str]) -> None:
    db.executemany("DELETE FROM entry WHERE folder_id = ? AND key = ?", [(folder_id, key) for key in keys])


def _job_of(row: tuple[Any, ...]) -> Job:
    job_id, spec, state, begun_at, changed_at, counts, remove, reason, runs = row
    return Job(job_id, _spec_of(spec), state, begun_at, changed_at, _counts_of(counts), bool(remove), reason, runs)
