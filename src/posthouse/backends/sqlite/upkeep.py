"""What the writing thread does between groups, a few milliseconds at a time, so that no unit ever waits for it long.

Messages of deleted mailboxes go in steps, into the shadow tree or for good, and so do deleted ones that are too many; bodies
that lost their last reference go with their content; files of such bodies go once the row that named them is gone durably,
and once they are old (``blob_files.py``). All of it can be repeated, so a crash in the middle costs nothing.
"""

from __future__ import annotations

import time
from typing import Any

from posthouse.backends.sqlite.seen_rows import clear_seen
from posthouse.backends.sqlite.units_message import drop
from posthouse.backends.sqlite.units_undelete import put_away_step, trim_step
from posthouse.backends.sqlite.work import Work

STEP_S = 0.003
_DOOMED_MESSAGES = 100
_LOOSE_BODIES = 20
_FILES = 20
FREE_PAGES = 4096
FREE_PART = 4
SHRINK_PAGES = 32
_USED = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM message WHERE body_id = ?1) OR EXISTS (SELECT 1 FROM queued WHERE body_id = ?1)"
    " OR EXISTS (SELECT 1 FROM held WHERE body_id = ?1)"
)


def step(work: Work) -> None:
    """Some of the work there is, inside the transaction of a group; ``work.upkeep_due`` tells whether there is more."""
    ends_at = time.monotonic() + STEP_S
    while time.monotonic() < ends_at:
        if not (_clear_doomed(work) or _trim(work) or _clear_loose(work) or _give_back(work)):
            work.upkeep_due = False
            return


def _clear_doomed(work: Work) -> bool:
    row = work.one("SELECT mailbox_id, shadow_id FROM doomed_mailbox LIMIT 1", ())
    if row is None:
        return False
    if row[1] and put_away_step(work, row[0]):
        return True
    uids = work.all("SELECT uid, body_id FROM message WHERE mailbox_id = ? ORDER BY uid LIMIT ?", (row[0], _DOOMED_MESSAGES))
    if uids:
        drop(work, row[0], uids[-1][0])
        work.loosen(body_id for _, body_id in uids)
        return True
    if clear_seen(work, row[0], _DOOMED_MESSAGES):
        return True
    work.execute(
        "DELETE FROM vanished WHERE (mailbox_id, mod_seq, uid) IN"
        " (SELECT mailbox_id, mod_seq, uid FROM vanished WHERE mailbox_id = ? LIMIT ?)",
        (row[0], _DOOMED_MESSAGES),
    )
    if not work.connection.changes():
        work.execute("DELETE FROM doomed_mailbox WHERE mailbox_id = ?", (row[0],))
    return True


def _trim(work: Work) -> bool:
    row = work.one("SELECT account_id, undelete_bytes FROM trim_due LIMIT 1", ())
    if row is None:
        return False
    if not trim_step(work, *row):
        work.execute("DELETE FROM trim_due WHERE account_id = ?", (row[0],))
    return True


def _clear_loose(work: Work) -> bool:
    loose = work.all("SELECT body_id FROM loose_body ORDER BY body_id LIMIT ?", (_LOOSE_BODIES,))
    for (body_id,) in loose:
        if not work.one(_USED, (body_id,)):
            row = work.one("DELETE FROM body WHERE body_id = ? RETURNING digest, in_file", (body_id,))
            work.execute("DELETE FROM content WHERE body_id = ?", (body_id,))
            work.execute("DELETE FROM listed_header WHERE body_id = ?", (body_id,))
            if row and row[1]:
                work.execute("INSERT OR IGNORE INTO dead_file VALUES (?)", (row[0],))
                work.fresh_dead.add(row[0])
    if loose:
        work.execute("DELETE FROM loose_body WHERE body_id <= ?", (loose[-1][0],))
    return bool(loose)


def _give_back(work: Work) -> bool:
    """A database that is largely empty gets smaller; what little is free, new mail takes."""
    free, pages = int(work.connection.pragma("freelist_count")), int(work.connection.pragma("page_count"))
    if free <= max(FREE_PAGES, pages // FREE_PART):
        return False
    return shrink(work, [SHRINK_PAGES]) < free


def shrink(work: Work, arguments: list[Any]) -> int:
    """``[pages]``: gives so many free pages back to the file system; returns how many free ones are left."""
    work.execute(f"PRAGMA incremental_vacuum({int(arguments[0])})").fetchall()
    return int(work.connection.pragma("freelist_count"))


def bury_files(work: Work, arguments: list[Any]) -> int:
    """``[digests]``, of files that may be nobody's: notes them, and removes some of all that nothing names; gives how many.

    Those that lost their name in this very group stay until the next call: a file goes only after the commit that took its
    last name away. A unit that names one afterwards finds it missing, and its sender writes it anew.
    """
    work.executemany("INSERT OR IGNORE INTO dead_file VALUES (?)", ((digest,) for digest in arguments[0]))
    removed = 0
    for (digest,) in work.all("SELECT digest FROM dead_file ORDER BY digest", ()):
        named = work.one("SELECT 1 FROM body WHERE digest = ?", (digest,)) is not None
        gone = not named and digest not in work.fresh_dead and work.blobs.remove(digest, work.clock.now())
        if named or gone:
            work.execute("DELETE FROM dead_file WHERE digest = ?", (digest,))
            removed += gone
        if removed >= _FILES:
            break
    return removed
