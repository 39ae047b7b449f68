"""``outgoing.db``: what the outbound side remembers of other sites, and the reports that sites give each other."""

from __future__ import annotations

from pathlib import Path

from posthouse.backends.sqlite.database import DatabaseThread, open_writer

_VERSION_1 = """
CREATE TABLE sts_policy (
    domain TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL,
    policy TEXT NOT NULL,
    until REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""
_VERSION_2 = """
CREATE TABLE report_seen (
    kind TEXT NOT NULL,
    day INTEGER NOT NULL,
    domain TEXT NOT NULL,
    entry BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, day, domain, entry)
) STRICT, WITHOUT ROWID;

CREATE TABLE report_received (
    kind TEXT NOT NULL,
    organisation TEXT NOT NULL,
    report_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    ends_at REAL NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (kind, organisation, report_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_received_by_time ON report_received (ends_at);
"""
_VERSION_3 = """
CREATE TABLE suppression (
    address TEXT PRIMARY KEY,
    why TEXT NOT NULL,
    since REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letter (
    address TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX dead_letter_by_address ON dead_letter (address, at);
CREATE INDEX dead_letter_by_time ON dead_letter (at);
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3)


def open_outgoing_file(path: Path) -> DatabaseThread:
    """The one writer; the file is made when it is not there."""
    return DatabaseThread(lambda: open_writer(path, MIGRATIONS), "outgoing-writer")
