"""Is the mail store sound? Looks through ``mail.db`` and the files of large contents, and changes nothing (``store check``).

Everything is compared at one moment, so that it can run on a live node; it reads the whole database, in a thread. Each finding
is one line for an administrator.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from posthouse.backends.sqlite import flag_check, held_schema, seen_rows, usage_schema
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import Decoder
from posthouse.backends.sqlite.content_check import COLUMNS, DAMAGED, damage
from posthouse.backends.sqlite.database import mail_error
from posthouse.backends.sqlite.mail_schema import open_mail_reader
from posthouse.backends.sqlite.work import blob_folder

MAX_PER_RULE = 20
STRAY_S = 172_800.0  # files without name go within a day (``SqliteStoreCare.sweep``)

_RULES: tuple[tuple[str, str], ...] = (
    (
        "mailbox {}: UID {} is there and also gone",
        "SELECT mailbox_id, uid FROM vanished JOIN message USING (mailbox_id, uid)",
    ),
    (
        "mailbox {}: message {} belongs to no mailbox",
        "SELECT mailbox_id, uid FROM message WHERE mailbox_id NOT IN"
        " (SELECT mailbox_id FROM mailbox UNION ALL SELECT mailbox_id FROM doomed_mailbox)",
    ),
    ("mailbox {}: flags of a mailbox that is not there", f"SELECT DISTINCT mailbox_id {flag_check.STRAY_BLOCKS}"),
    (
        "mailbox {}: message {} has no body {}",
        "SELECT mailbox_id, uid, body_id FROM message WHERE body_id NOT IN (SELECT body_id FROM body)",
    ),
    (
        "mailbox {}: message {} differs in size from its body {}",
        "SELECT mailbox_id, uid, body_id FROM message AS m JOIN body AS b USING (body_id) WHERE m.size_bytes <> b.size_bytes",
    ),
    (
        "two mailboxes have UIDVALIDITY {}",
        "SELECT uid_validity FROM mailbox GROUP BY uid_validity HAVING count(*) > 1",
    ),
    (
        "queue: message {} has no body {}",
        "SELECT queue_id, body_id FROM queued WHERE body_id NOT IN (SELECT body_id FROM body)",
    ),
    (
        "queue: recipient {} belongs to no message {}",
        "SELECT recipient_id, queue_id FROM queued_recipient WHERE queue_id NOT IN (SELECT queue_id FROM queued)",
    ),
    (
        "queue: message {} has no recipient that waits or is held",
        "SELECT queue_id FROM queued WHERE queue_id NOT IN"
        " (SELECT queue_id FROM queued_recipient WHERE state IN ('waiting', 'held'))",
    ),
    (
        "body {}: its content is missing or has the wrong length",
        "SELECT body_id FROM body AS b LEFT JOIN content AS c USING (body_id)"
        " WHERE NOT in_file AND (octets IS NULL OR (coding = 0 AND length(octets) <> size_bytes))",
    ),
    (
        "body {}: the dictionary {} of its content is missing",
        "SELECT body_id, coding FROM content WHERE coding >= 2 AND coding NOT IN (SELECT dictionary_id FROM dictionary)",
    ),
    (
        "body {}: a content without a body",
        "SELECT body_id FROM content WHERE body_id NOT IN (SELECT body_id FROM body)",
    ),
    (
        "body {}: a listed header without a body",
        "SELECT body_id FROM listed_header WHERE body_id NOT IN (SELECT body_id FROM body)",
    ),
    (
        "body {}: nothing names it, and nothing will sweep it",
        "SELECT body_id FROM body WHERE body_id NOT IN (SELECT body_id FROM message UNION ALL SELECT body_id FROM queued"
        " UNION ALL SELECT body_id FROM held UNION ALL SELECT body_id FROM loose_body)",
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """``problems`` is empty when the store is sound; the rest says how much was looked at."""

    problems: tuple[str, ...]
    mailboxes: int
    messages: int
    bodies: int
    files: int


def check(path: Path, *, contents: bool = False) -> Report:
    """Checks the mail database at ``path``; ``contents``: also that every content still has its digest (reads all mail).

    Blocks: call it in a thread. Raises Temporary when the database cannot be read at all.
    """
    connection = open_mail_reader(path)
    blobs = BlobFiles(blob_folder(path))
    try:
        connection.execute("BEGIN")
        problems = [*_integrity(connection), *_rules(connection), *_files(connection, blobs)]
        if contents:
            problems.extend(_digests(connection, blobs))
        counted = [_count(connection, what) for what in ("mailbox", "message", "body", "body WHERE in_file")]
        return Report(tuple(problems), *counted)
    except apsw.Error as error:
        raise mail_error(error) from error
    finally:
        connection.close()


async def problems(path: Path) -> tuple[str, ...]:
    """What ``store check`` finds; every content is read and its digest compared."""
    return (await asyncio.to_thread(check, path, contents=True)).problems


def _integrity(connection: apsw.Connection) -> Iterator[str]:
    for (line,) in connection.execute(f"PRAGMA integrity_check({MAX_PER_RULE})"):
        if line != "ok":
            yield f"database: {line}"


def _rules(connection: apsw.Connection) -> Iterator[str]:
    def read(sql: str, bindings: tuple[Any, ...]) -> list[Any]:
        return connection.execute(sql, bindings).fetchall()

    yield from (text for _, text in flag_check.problems(read))
    for text, sql in (*_RULES, *held_schema.RULES, *usage_schema.RULES, *seen_rows.RULES):
        for row in connection.execute(f"{sql} LIMIT {MAX_PER_RULE}"):
            yield text.format(*row)


def _files(connection: apsw.Connection, blobs: BlobFiles) -> Iterator[str]:
    """Every file named is there; a file that nothing names is young, or waits for being swept."""
    named: set[bytes] = set()
    for body_id, digest, size_bytes in connection.execute("SELECT body_id, digest, size_bytes FROM body WHERE in_file"):
        named.add(digest)
        if not blobs.has(digest, size_bytes):
            yield f"body {body_id}: the file of its content is missing or has the wrong length"
    dying = {digest for (digest,) in connection.execute("SELECT digest FROM dead_file")}
    for digest in blobs.digests():
        if digest not in named and digest not in dying and _is_old(blobs.path(digest)):
            yield f"file {digest.hex()}: nothing names it"


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - STRAY_S
    except OSError:
        return False


def _digests(connection: apsw.Connection, blobs: BlobFiles) -> Iterator[str]:
    def dictionary(dictionary_id: int) -> bytes:
        row = connection.execute("SELECT octets FROM dictionary WHERE dictionary_id = ?", (dictionary_id,)).fetchone()
        return bytes(row[0]) if row else b""

    decoder = Decoder(dictionary)
    for row in connection.execute(COLUMNS):
        why = damage(row, decoder, blobs)
        if DAMAGED in why:  # what is missing is told by the rules and by _files
            yield f"body {row[0]}: {why}"


def _count(connection: apsw.Connection, what: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {what}").fetchone() or (0,)
    return int(count)
