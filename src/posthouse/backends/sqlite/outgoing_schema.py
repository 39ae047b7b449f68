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
_VERSION_4 = """
CREATE TABLE account_hold (
    hold_id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    account TEXT NOT NULL,
    since REAL NOT NULL,
    sign TEXT NOT NULL,
    why TEXT NOT NULL,
    client TEXT NOT NULL,
    who TEXT NOT NULL,
    released_at REAL NOT NULL,
    released_by TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_held ON account_hold (account_id) WHERE released_at = 0;
CREATE INDEX account_held_by_name ON account_hold (account) WHERE released_at = 0;

CREATE TABLE account_place (
    account_id INTEGER NOT NULL,
    place TEXT NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    PRIMARY KEY (account_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_place_by_time ON account_place (last_at);
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)


def open_outgoing_file(path: Path) -> DatabaseThread:
    """The one writer; the file is made when it is not there."""
    return DatabaseThread(lambda: open_writer(path, MIGRATIONS), "outgoing-writer")
