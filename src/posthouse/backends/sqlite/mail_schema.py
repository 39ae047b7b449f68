"""The tables of ``mail.db``: mailboxes, messages, bodies, the outbound queue and quarantines (``held_schema.py``) in one file,
so that one commit holds them all.

``message`` is clustered by mailbox and UID, which is the order that IMAP asks in; flags and mod-sequences stand apart since
migration 3 (``flag_blocks.py``). ``body`` holds the ready-made octets of a content, densely, apart from the octets themselves
(``content``, encoded as ``coding.py`` says, or a file named by digest when ``in_file``). ``damaged_body`` is what a scrub
found. What refers to a body is found by index (``message_by_body``, ``queued_by_body``, ``held_by_body``), so there is no count
that could be wrong. Identifiers are never used twice (AUTOINCREMENT): sessions may hold old ones. Released migrations never
change (forward only).
"""

from __future__ import annotations

from pathlib import Path

import apsw

from posthouse.backends.sqlite.database import mail_errors, open_reader, open_writer
from posthouse.backends.sqlite.flag_blocks import SCHEMA as FLAG_BLOCKS
from posthouse.backends.sqlite.held_schema import HELD
from posthouse.backends.sqlite.ready_made import LISTED_HEADER
from posthouse.backends.sqlite.sharing_schema import SHARING
from posthouse.backends.sqlite.usage_schema import MAILBOX_COLUMNS, USAGE

PAGE_BYTES = 4096
WRITER_CACHE_KIB = 32_768
READER_CACHE_KIB = 4_096
WAL_KEPT_BYTES = 64 << 20

_MAILBOXES = f"""
CREATE TABLE mailbox (
    mailbox_id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL DEFAULT 1,
    mod_seq INTEGER NOT NULL DEFAULT 1,
    message_count INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    keywords TEXT NOT NULL DEFAULT '',
    special_use TEXT NOT NULL DEFAULT '',
    object_id TEXT NOT NULL,
    selectable INTEGER NOT NULL DEFAULT 1,
    vanished_floor INTEGER NOT NULL DEFAULT 0,
    {MAILBOX_COLUMNS},
    UNIQUE (account_id, name)
) STRICT;
CREATE TABLE subscription (
    account_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE url_key (
    account_id INTEGER NOT NULL,
    mailbox_id INTEGER NOT NULL,
    secret BLOB NOT NULL,
    PRIMARY KEY (account_id, mailbox_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE gone_account (account_id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE doomed_mailbox (
    mailbox_id INTEGER PRIMARY KEY,
    shadow_id INTEGER NOT NULL DEFAULT 0,
    keywords TEXT NOT NULL DEFAULT '',
    doomed_at REAL NOT NULL DEFAULT 0,
    undelete_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE annotation (
    mailbox_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    entry TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (mailbox_id, account_id, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX annotation_by_entry ON annotation (entry, mailbox_id);
CREATE TABLE last_value (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO last_value VALUES ('uid_validity', 0);
"""

_MESSAGES = """
CREATE TABLE message (
    mailbox_id INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    mod_seq INTEGER NOT NULL,
    body_id INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    received_at REAL NOT NULL,
    saved_at REAL NOT NULL,
    PRIMARY KEY (mailbox_id, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_by_change ON message (mailbox_id, mod_seq);
CREATE INDEX message_by_body ON message (body_id);
CREATE TABLE vanished (
    mailbox_id INTEGER NOT NULL,
    mod_seq INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gone_day INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, mod_seq, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE body (
    body_id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    in_file INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    body BLOB NOT NULL,
    bodystructure BLOB NOT NULL,
    preview TEXT NOT NULL
) STRICT;
CREATE TABLE content (body_id INTEGER PRIMARY KEY, coding INTEGER NOT NULL, octets BLOB NOT NULL) STRICT;
CREATE TABLE dictionary (
    dictionary_id INTEGER PRIMARY KEY AUTOINCREMENT,
    made_at REAL NOT NULL,
    octets BLOB NOT NULL
) STRICT;
INSERT INTO sqlite_sequence VALUES ('dictionary', 1);
CREATE TABLE damaged_body (body_id INTEGER PRIMARY KEY, found_at REAL NOT NULL, cause TEXT NOT NULL) STRICT;
CREATE TABLE loose_body (body_id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE dead_file (digest BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
"""

_QUEUE = """
CREATE TABLE queued (
    queue_id TEXT PRIMARY KEY,
    trace_id TEXT NOT NULL,
    sender BLOB NOT NULL,
    body_id INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    queued_at REAL NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX queued_by_body ON queued (body_id);
CREATE TABLE queued_recipient (
    recipient_id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_id TEXT NOT NULL,
    recipient BLOB NOT NULL,
    original TEXT NOT NULL,
    next_hop TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL NOT NULL,
    last_reply TEXT NOT NULL DEFAULT '',
    relay TEXT NOT NULL DEFAULT '',
    delayed_notice INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX queued_recipient_by_message ON queued_recipient (queue_id, recipient_id);
CREATE INDEX queued_recipient_by_time ON queued_recipient (state, next_attempt_at, recipient_id);
"""

_PRIORITY = """
ALTER TABLE queued_recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE INDEX queued_recipient_urgent ON queued_recipient (next_attempt_at, recipient_id)
    WHERE state = 'waiting' AND priority > 0;
"""
_QUEUED_BY_ACCOUNT = """
ALTER TABLE queued ADD COLUMN account TEXT NOT NULL DEFAULT '';
CREATE INDEX queued_by_account ON queued (account, queue_id) WHERE account <> '';
"""

MIGRATIONS: tuple[str, ...] = (
    _MAILBOXES + _MESSAGES + _QUEUE + USAGE + SHARING,
    HELD,
    FLAG_BLOCKS,
    LISTED_HEADER,
    _PRIORITY,
    _QUEUED_BY_ACCOUNT,
)


def open_mail_writer(path: Path) -> apsw.Connection:
    """The one writing connection; makes or migrates the file. Checkpoints are the writing thread's business.

    Raises Temporary or NoSpace when the file cannot be opened, Permanent when a newer version made it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with mail_errors():
        if not path.exists():
            fresh = apsw.Connection(str(path))
            fresh.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            fresh.execute("PRAGMA auto_vacuum = INCREMENTAL")
            fresh.execute("PRAGMA journal_mode = WAL")
            fresh.close()
            path.chmod(0o600)
    connection = open_writer(path, MIGRATIONS)
    with mail_errors():
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def open_mail_reader(path: Path) -> apsw.Connection:
    """A read-only connection. Raises Temporary while the writer has not made the file yet."""
    connection = open_reader(path, MIGRATIONS)
    with mail_errors():
        connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection
