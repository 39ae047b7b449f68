"""The table of what is held back (QTN-1), in ``mail.db``, so that one commit holds mailboxes, queue and quarantines.

A row for each recipient; the content is a ``body`` like any other, kept once. ``recipient``, ``sender``, ``onward`` and
``origin`` are packed (``held_rows.py``); ``address`` and ``account`` are lower-case texts to search.
"""

from __future__ import annotations

HELD = """
CREATE TABLE held (
    held_id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    account TEXT NOT NULL,
    recipient BLOB NOT NULL,
    onward BLOB NOT NULL,
    sender BLOB NOT NULL,
    origin BLOB NOT NULL,
    stage TEXT NOT NULL,
    rule TEXT NOT NULL,
    why TEXT NOT NULL,
    body_id INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    received_at REAL NOT NULL,
    held_at REAL NOT NULL,
    release_at REAL NOT NULL,
    author TEXT NOT NULL,
    subject TEXT NOT NULL,
    sender_text TEXT NOT NULL
) STRICT;
CREATE INDEX held_by_body ON held (body_id);
CREATE INDEX held_by_kind ON held (kind, name, held_id);
CREATE INDEX held_by_account ON held (account_id, kind, held_id);
CREATE INDEX held_by_release ON held (release_at) WHERE release_at > 0;
CREATE INDEX held_by_age ON held (kind, held_at) WHERE release_at = 0;
CREATE INDEX held_by_trace ON held (trace_id);
"""

RULES: tuple[tuple[str, str], ...] = (
    (
        "quarantine: message {} has no body {}",
        "SELECT held_id, body_id FROM held WHERE body_id NOT IN (SELECT body_id FROM body)",
    ),
    (
        "quarantine: message {} differs in size from its body {}",
        "SELECT held_id, body_id FROM held AS h JOIN body AS b USING (body_id) WHERE h.size_bytes <> b.size_bytes",
    ),
)
