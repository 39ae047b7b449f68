"""Looks at a node's data folder from outside: databases whole, counters true, every content what its digest says.

Reads the embedded store's files directly and read-only, apart from the program's own check, so that one finds what the other
overlooks.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from pathlib import Path

import apsw
import zstandard

from posthouse.model.mailbox import DELETED, SEEN

_PLAIN = zstandard.ZstdDecompressor()
_CODES = {1: "B", 4: "I", 8: "Q"}
_COUNTERS = """
SELECT mailbox_id, name, message_count, size_bytes, unseen, deleted, uid_next, mod_seq,
    (SELECT coalesce(sum(size_bytes), 0) FROM message m WHERE m.mailbox_id = b.mailbox_id)
FROM mailbox b WHERE mailbox_id NOT IN (SELECT mailbox_id FROM doomed_mailbox)
"""
_SUMS = """
SELECT account_id, size_bytes, messages, mailboxes, deleted_bytes, deleted_messages FROM account_usage
WHERE size_bytes OR messages OR mailboxes OR deleted_bytes OR deleted_messages ORDER BY account_id
"""
_REAL_SUMS = """
SELECT account_id, coalesce(sum(size) FILTER (WHERE NOT gone), 0), coalesce(sum(count) FILTER (WHERE NOT gone), 0),
    count(*) FILTER (WHERE NOT gone), coalesce(sum(size) FILTER (WHERE gone), 0), coalesce(sum(count) FILTER (WHERE gone), 0)
FROM (SELECT account_id, name = 'Deleted Messages' OR name LIKE 'Deleted Messages/%' AS gone,
    (SELECT coalesce(sum(size_bytes), 0) FROM message m WHERE m.mailbox_id = b.mailbox_id) AS size,
    (SELECT count(*) FROM message m WHERE m.mailbox_id = b.mailbox_id) AS count FROM mailbox b)
GROUP BY account_id ORDER BY account_id
"""
_DANGLING = {
    "messages without a body": "SELECT count(*) FROM message WHERE body_id NOT IN (SELECT body_id FROM body)",
    "queued messages without a body": "SELECT count(*) FROM queued WHERE body_id NOT IN (SELECT body_id FROM body)",
    "held messages without a body": "SELECT count(*) FROM held WHERE body_id NOT IN (SELECT body_id FROM body)",
    "held messages of another size than their body": (
        "SELECT count(*) FROM held h JOIN body b USING (body_id) WHERE h.size_bytes <> b.size_bytes"
    ),
    "recipients of no message": "SELECT count(*) FROM queued_recipient WHERE queue_id NOT IN (SELECT queue_id FROM queued)",
    "queued messages to nobody": "SELECT count(*) FROM queued WHERE queue_id NOT IN (SELECT queue_id FROM queued_recipient)",
    "bodies without octets": "SELECT count(*) FROM body WHERE NOT in_file AND body_id NOT IN (SELECT body_id FROM content)",
    "octets without a body": "SELECT count(*) FROM content WHERE body_id NOT IN (SELECT body_id FROM body)",
}


def unsound(data: Path) -> list[str]:
    """What is wrong with the files of this data folder; nothing if all is well. The node may run meanwhile."""
    problems = []
    for path in sorted(data.glob("*.db")):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        problems += [f"{path.name}: {text}" for text in found if text != "ok"]
        connection.close()
    return problems + _mail(data)


def _mail(data: Path) -> list[str]:
    connection = apsw.Connection(str(data / "mail.db"), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(5000)
    connection.execute("BEGIN")  # one consistent view
    problems = []
    for mailbox_id, name, *told, uid_next, mod_seq, octets in list(connection.execute(_COUNTERS)):
        uids = [uid for (uid,) in connection.execute("SELECT uid FROM message WHERE mailbox_id = ?", (mailbox_id,))]
        states = _flags(connection, mailbox_id)
        if sorted(states) != sorted(uids):
            problems.append(f"{name}: messages {sorted(uids)}, flags of {sorted(states)}")
        unseen = sum(1 for flags, _ in states.values() if not flags & SEEN)
        deleted = sum(1 for flags, _ in states.values() if flags & DELETED)
        if told != (real := [len(uids), octets, unseen, deleted]):
            problems.append(f"{name}: messages, octets, unseen, deleted are said to be {told}, are {real}")
        uid, seq = max(uids, default=0), max((seq for _, seq in states.values()), default=0)
        if uid >= uid_next or seq > mod_seq:
            problems.append(f"{name}: UID {uid} of {uid_next}, mod-sequence {seq} of {mod_seq}")
    told_sums, real_sums = (list(connection.execute(sql)) for sql in (_SUMS, _REAL_SUMS))
    if told_sums != real_sums:
        problems.append(f"accounts are said to use {told_sums}, use {real_sums}")
    for what, sql in _DANGLING.items():
        problems += [f"{count} {what}" for (count,) in connection.execute(sql) if count]
    problems += _contents(connection, data)
    connection.execute("COMMIT")
    connection.close()
    return problems


def _flags(connection: apsw.Connection, mailbox_id: int) -> dict[int, tuple[int, int]]:
    """(flags, mod-sequence) by UID, out of the packed blocks."""
    found: dict[int, tuple[int, int]] = {}
    sql = "SELECT uids, flags, mod_seqs FROM flag_block WHERE mailbox_id = ?"
    for uids, flags, mod_seqs in connection.execute(sql, (mailbox_id,)):
        count = len(uids) // 4
        columns = [struct.unpack(f"<{count}{_CODES[len(octets) // count]}", octets) for octets in (uids, flags, mod_seqs)]
        found.update((uid, (bits, seq)) for uid, bits, seq in zip(*columns, strict=True))
    return found


def _contents(connection: apsw.Connection, data: Path) -> list[str]:
    """Every content, unpacked: coding 0 plain, 1 zstd, from 2 on with that dictionary."""
    packers = {
        number: zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(octets))
        for number, octets in connection.execute("SELECT dictionary_id, octets FROM dictionary")
    }
    wrong: Counter[str] = Counter()
    for digest, size, coding, octets in connection.execute(
        "SELECT digest, size_bytes, coding, octets FROM body JOIN content USING (body_id) WHERE NOT in_file"
    ):
        content = packers.get(coding, _PLAIN).decompress(octets) if coding else octets
        if len(content) != size or hashlib.sha256(content).digest() != digest:
            wrong["contents in the database that do not fit their digest"] += 1
    for digest, size in connection.execute("SELECT digest, size_bytes FROM body WHERE in_file"):
        content = _file(data / "blobs" / digest.hex()[:2] / digest.hex()[2:])
        if len(content) != size or hashlib.sha256(content).digest() != digest:
            wrong["contents in files that do not fit their digest"] += 1
    return [f"{count} {what}" for what, count in wrong.items()]


def _file(path: Path) -> bytes:
    packed = path.with_suffix(".zst")
    if packed.exists():
        return _PLAIN.decompress(packed.read_bytes())
    return path.read_bytes() if path.exists() else b""
