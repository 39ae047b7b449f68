"""Units of work of ``care.py``: notes of a scrub, dictionaries, contents encoded anew, what vanished long ago (STO-7)."""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.work import Work

VANISHED_MAILBOXES = 200
VANISHED_ROWS = 500


def note_values(work: Work, arguments: list[Any]) -> None:
    """``[[name, value], ...]``, whole numbers to be found again after a restart."""
    work.executemany("INSERT OR REPLACE INTO last_value VALUES (?, ?)", arguments)


def note_damaged(work: Work, arguments: list[Any]) -> None:
    """``[first, last, [[body_id, cause], ...]]``: what is damaged among the bodies of these ids; the others are not."""
    first, last, damaged = arguments
    work.execute("DELETE FROM damaged_body WHERE body_id BETWEEN ? AND ?", (first, last))
    work.executemany(
        "INSERT INTO damaged_body SELECT body_id, ?, ? FROM body WHERE body_id = ?",
        ((work.now, cause, body_id) for body_id, cause in damaged),
    )


def add_dictionary(work: Work, arguments: list[Any]) -> int:
    """``[octets]``; gives its number."""
    work.execute("INSERT INTO dictionary (made_at, octets) VALUES (?, ?)", (work.now, arguments[0]))
    return work.connection.last_insert_rowid()


def drop_dictionaries(work: Work, arguments: list[Any]) -> None:
    """``[[number, ...]]``, of those that no content needs; the newest one stays."""
    sql = "DELETE FROM dictionary WHERE dictionary_id = ? AND dictionary_id < (SELECT max(dictionary_id) FROM dictionary)"
    work.executemany(sql, ((dictionary_id,) for dictionary_id in arguments[0]))


def recode(work: Work, arguments: list[Any]) -> None:
    """``[[body_id, old coding, new coding, octets], ...]``: the same contents, encoded otherwise."""
    work.executemany(
        "UPDATE content SET coding = ?3, octets = ?4 WHERE body_id = ?1 AND coding = ?2"
        " AND (?3 < 2 OR EXISTS (SELECT 1 FROM dictionary WHERE dictionary_id = ?3))",
        arguments,
    )


def forget_vanished(work: Work, arguments: list[Any]) -> list[int]:
    """``[after mailbox_id, before day]``: some of the mailboxes past that one; gives the last one looked at (-1: that were all)
    and how many rows went. Within a mailbox what went first has the lowest mod-sequence."""
    mailbox_id, before_day = arguments
    forgotten = 0
    for _ in range(VANISHED_MAILBOXES):
        row = work.one("SELECT mailbox_id FROM vanished WHERE mailbox_id > ? LIMIT 1", (mailbox_id,))
        if row is None:
            return [-1, forgotten]
        old = work.all(
            "SELECT mod_seq, gone_day FROM vanished WHERE mailbox_id = ? ORDER BY mod_seq LIMIT ?", (row[0], VANISHED_ROWS)
        )
        floor = max((mod_seq for mod_seq, gone_day in old if gone_day < before_day), default=0)
        if floor:
            work.execute("UPDATE mailbox SET vanished_floor = ? WHERE mailbox_id = ?", (floor, row[0]))
            work.execute("DELETE FROM vanished WHERE mailbox_id = ? AND mod_seq <= ?", (row[0], floor))
            forgotten += work.connection.changes()
        if forgotten >= VANISHED_ROWS:
            return [mailbox_id, forgotten]
        if not floor or len(old) < VANISHED_ROWS:
            mailbox_id = row[0]
    return [mailbox_id, forgotten]
