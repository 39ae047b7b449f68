"""Units of work that put right what ``check.py`` finds (``store repair``). ``repair.py`` looks for it and hands in ids.

Each looks again at what it is told about, since mail goes on meanwhile, and does nothing where all is well; each gives lines of
what it did. Nothing here makes up a fact: what can be counted is counted, what belongs to nothing goes.
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite import flag_changes, flag_check
from posthouse.backends.sqlite.flag_blocks import spans_of
from posthouse.backends.sqlite.uid_sets import EVERYTHING, to_ranges
from posthouse.backends.sqlite.units_bodies import keep_body
from posthouse.backends.sqlite.units_message import grow_mailbox, insert, messages, remove
from posthouse.backends.sqlite.units_queue import delete as delete_queued
from posthouse.backends.sqlite.work import Row, Work

MAX_MESSAGES = 200
_RECOUNT = (
    "UPDATE mailbox SET message_count = ?, unseen = ?, deleted = ?, size_bytes = ?, uid_next = max(uid_next, ?),"
    " mod_seq = max(mod_seq, ?) WHERE mailbox_id = ?"
)
_COUNTED = "SELECT message_count, unseen, deleted, size_bytes, uid_next, mod_seq FROM mailbox WHERE mailbox_id = ?"


def repair_mailbox(work: Work, arguments: list[Any]) -> list[str]:
    """``[mailbox_id]``: sizes of messages, counters, UIDNEXT and HIGHESTMODSEQ are made anew, from the messages, their flags
    and bodies. Flags that are lost are none."""
    mailbox_id = arguments[0]
    before = work.one(_COUNTED, (mailbox_id,))
    if before is None:
        return []
    work.execute(
        "UPDATE message SET size_bytes = b.size_bytes FROM body AS b WHERE message.mailbox_id = ?"
        " AND b.body_id = message.body_id AND b.size_bytes <> message.size_bytes",
        (mailbox_id,),
    )
    work.execute(
        "DELETE FROM vanished WHERE mailbox_id = ?1 AND uid IN (SELECT uid FROM message WHERE mailbox_id = ?1)", (mailbox_id,)
    )
    lines: list[str] = []
    found = flag_check.count(work.all, mailbox_id)
    if found.damaged or found.without_flags or found.without_message:
        work.execute("DELETE FROM flag_block WHERE block_id BETWEEN ? AND ?", spans_of(mailbox_id, EVERYTHING)[0])
        flag_changes.add(work, mailbox_id, [(uid, *found.states.get(uid, (0, before[5] + 1))) for uid in found.uids])
        lines.append(
            f"mailbox {mailbox_id}: blocks of flags made anew, the flags of {len(found.without_flags)} messages are lost"
        )
        found = flag_check.count(work.all, mailbox_id)
    highest = max((mod_seq for _, mod_seq in found.states.values()), default=0)
    work.execute(_RECOUNT, (*found.counters, 1 + max(found.uids, default=0), highest, mailbox_id))
    after = work.one(_COUNTED, (mailbox_id,))
    _touch(work, mailbox_id)
    if before != after:
        changed = f"{before} became {after}"
        lines.append(f"mailbox {mailbox_id}: messages, unseen, deleted, octets, UIDNEXT, MODSEQ counted anew: {changed}")
    return lines or [f"mailbox {mailbox_id}: sizes or lists of its messages put right"]


def repair_uid_validity(work: Work, arguments: list[Any]) -> list[str]:
    """``[uid_validity]``, which several mailboxes have: all but one get a new one, and mail programs read them anew."""
    rows = work.all("SELECT mailbox_id FROM mailbox WHERE uid_validity = ? ORDER BY mailbox_id", (arguments[0],))
    for (mailbox_id,) in rows[1:]:
        values = (work.next_uid_validity(), mailbox_id)
        work.execute("UPDATE mailbox SET uid_validity = ?, mod_seq = mod_seq + 1 WHERE mailbox_id = ?", values)
        _touch(work, mailbox_id)
    return [f"mailbox {mailbox_id}: a new UIDVALIDITY" for (mailbox_id,) in rows[1:]]


def repair_orphans(work: Work, arguments: list[Any]) -> list[str]:
    """``[[mailbox_id, uid], ...]``: messages of mailboxes that are not there go."""
    lines = []
    for mailbox_id, uid in arguments:
        if work.one(
            "SELECT 1 FROM mailbox WHERE mailbox_id = ?1 UNION ALL SELECT 1 FROM doomed_mailbox WHERE mailbox_id = ?1",
            (mailbox_id,),
        ):
            continue
        row = work.one("DELETE FROM message WHERE mailbox_id = ? AND uid = ? RETURNING body_id", (mailbox_id, uid))
        if row:
            work.loosen([row[0]])
            lines.append(f"mailbox {mailbox_id}, which is not there: message {uid} taken out")
    return lines


def repair_rows(work: Work, _arguments: list[Any]) -> list[str]:
    """Rows of small tables that belong to nothing go."""
    lines = []
    for what, sql in (
        (
            "recipients in the queue without a message",
            "DELETE FROM queued_recipient WHERE queue_id NOT IN (SELECT queue_id FROM queued)",
        ),
        (
            "listed headers without a body",
            "DELETE FROM listed_header WHERE body_id NOT IN (SELECT body_id FROM body)",
        ),
        ("blocks of flags of mailboxes that are not there", f"DELETE {flag_check.STRAY_BLOCKS}"),
        ("rights on mailboxes that are not there", "DELETE FROM acl WHERE mailbox_id NOT IN (SELECT mailbox_id FROM mailbox)"),
        (
            "marks of readers on messages that are not there",
            "DELETE FROM seen WHERE mailbox_id NOT IN (SELECT mailbox_id FROM doomed_mailbox) AND NOT EXISTS"
            " (SELECT 1 FROM message AS m WHERE m.mailbox_id = seen.mailbox_id AND m.uid = seen.uid)",
        ),
    ):
        work.execute(sql)
        if count := work.connection.changes():
            lines.append(f"{count} {what} taken out")
    return lines


def repair_queued(work: Work, arguments: list[Any]) -> list[str]:
    """``[queue_id, ...]``, of messages in the queue that have nobody to go to, or nothing to send."""
    lines = []
    for queue_id in arguments:
        has_body = work.one("SELECT 1 FROM queued JOIN body USING (body_id) WHERE queue_id = ?", (queue_id,))
        waits = work.one(
            "SELECT 1 FROM queued_recipient WHERE queue_id = ? AND state IN ('waiting', 'held') LIMIT 1", (queue_id,)
        )
        if (not has_body or not waits) and delete_queued(work, [queue_id]):
            lines.append(
                f"queue: message {queue_id} taken out: {'nobody to send it to' if has_body else 'its content is lost'}"
            )
    return lines


def repair_in_file(work: Work, arguments: list[Any]) -> list[str]:
    """``[body_id, in_file]``: where the content of a body was found."""
    body_id, in_file = arguments
    work.execute("UPDATE body SET in_file = ? WHERE body_id = ?", (in_file, body_id))
    if in_file:
        work.execute("DELETE FROM content WHERE body_id = ?", (body_id,))
    return [f"body {body_id}: its content was found in {'a file' if in_file else 'the database'}"]


def repair_body(work: Work, arguments: list[Any]) -> list[str]:
    """``[body_id, parcel]``: the row of a body that is missing, made anew from its content."""
    body_id, (digest, size_bytes, _, _, *ready_made, _) = arguments
    if work.one("SELECT 1 FROM body WHERE body_id = ? OR digest = ?", (body_id, digest)):
        return []
    work.execute("INSERT INTO body VALUES (?, ?, ?, 0, ?, ?, ?, ?)", (body_id, digest, size_bytes, *ready_made))
    work.loosen([body_id])
    return [f"body {body_id}: its index made anew from its content"]


def repair_content(work: Work, arguments: list[Any]) -> list[str]:
    """``[body_id]``: a content that no body and no message has goes."""
    sql = "DELETE FROM content WHERE body_id = ?1 AND NOT EXISTS (SELECT 1 FROM body WHERE body_id = ?1)"
    work.execute(sql, (arguments[0],))
    return [f"body {arguments[0]}: a content that nothing has, taken out"] if work.connection.changes() else []


def repair_loose(work: Work, arguments: list[Any]) -> list[str]:
    """``[body_id, ...]``: bodies that nothing names are left to upkeep, which looks before it sweeps."""
    work.loosen(arguments)
    return [f"body {body_id}: nothing names it, it will be swept" for body_id in arguments]


def repair_replace(work: Work, arguments: list[Any]) -> list[Any]:
    """``[body_id, parcel of the message that is to stand for it, why]``: for some of the messages whose content cannot be read;
    gives whether there are more, and lines. The new one has a UID of its own, as every content must (RFC 9051 §2.3.1.1)."""
    body_id, parcel, why = arguments
    lines = []
    for queue_id, sender_count in work.all(
        "SELECT queue_id, (SELECT count(*) FROM queued_recipient AS r WHERE r.queue_id = q.queue_id AND state = 'waiting')"
        " FROM queued AS q WHERE body_id = ?",
        (body_id,),
    ):
        if sender_count:
            work.execute(
                "UPDATE queued_recipient SET state = 'held', last_reply = ? WHERE queue_id = ? AND state = 'waiting'",
                ("the content of the message was damaged on disk", queue_id),
            )
            lines.append(f"queue: message {queue_id} held, {why}; it cannot be sent: delete it, and tell its sender")
    for (held_id,) in work.all("DELETE FROM held WHERE body_id = ? RETURNING held_id", (body_id,)):
        lines.append(f"quarantine: message {held_id} taken out, {why}")
    rows = work.all(
        "SELECT mailbox_id, uid FROM message WHERE body_id = ? ORDER BY mailbox_id LIMIT ?", (body_id, MAX_MESSAGES)
    )
    if not rows:
        work.loosen([body_id])
        return [False, lines]
    new_id = keep_body(work, parcel)
    for mailbox_id in dict.fromkeys(row[0] for row in rows):
        uids = [row[1] for row in rows if row[0] == mailbox_id]
        lines.extend(_stand_in(work, mailbox_id, uids, new_id, parcel[1], why))
    work.loosen([body_id, new_id])
    gone = "DELETE FROM damaged_body WHERE body_id = ?1 AND NOT EXISTS (SELECT 1 FROM queued WHERE body_id = ?1)"
    work.execute(gone, (body_id,))
    return [len(rows) == MAX_MESSAGES, lines]


def _stand_in(work: Work, mailbox_id: int, uids: list[int], new_id: int, size_bytes: int, why: str) -> list[str]:
    mailbox = work.one("SELECT account_id, uid_next, mod_seq, keywords, name FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
    if mailbox is None:
        return []  # of a deleted mailbox: it goes by itself
    account_id, uid_next, mod_seq, words, name = mailbox
    gone = messages(work, mailbox_id, to_ranges(uids))
    added: list[Row] = []
    for row in gone:
        added.append((mailbox_id, uid_next + len(added), row[1], mod_seq + 1, new_id, size_bytes, row[4], row[6]))
    insert(work, mailbox_id, added)
    grow_mailbox(work, mailbox_id, added, mod_seq + 1, words.split())
    remove(work, mailbox_id, gone, mod_seq + 1)
    work.touch(mailbox_id, account_id, mod_seq + 1)
    return [
        f"account {account_id}, mailbox {name!r}: message {old[0]} cannot be read ({why}); {new[1]} stands for it"
        for old, new in zip(gone, added, strict=True)
    ]


def _touch(work: Work, mailbox_id: int) -> None:
    row = work.one("UPDATE mailbox SET mod_seq = mod_seq + 1 WHERE mailbox_id = ? RETURNING account_id, mod_seq", (mailbox_id,))
    if row:
        work.touch(mailbox_id, row[0], row[1])


def reindex(work: Work, _arguments: list[Any]) -> None:
    """All indexes are made anew from their tables; mail waits for it."""
    work.execute("REINDEX")
