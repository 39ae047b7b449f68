"""Units of work that delete: expunge, settle, and what becomes of the messages (STO-2, RFC 9051 §6.4.3).

With undelete on, what goes from a mailbox comes to its shadow, with flags (but for ``\\Deleted``), INTERNALDATE, and the time
of deletion as SAVEDATE. What goes from the shadow tree is gone. When an account's deleted messages are too many octets, the
oldest go: some of them at once, the others in upkeep, so that no unit takes long.
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.flag_blocks import chosen_rows
from posthouse.backends.sqlite.mailbox_rows import find, make
from posthouse.backends.sqlite.uid_sets import EVERYTHING, to_ranges
from posthouse.backends.sqlite.units_message import drop, grow_mailbox, insert, messages, remove, store_flags
from posthouse.backends.sqlite.work import Row, Work
from posthouse.model.flags import SYSTEM_MASK, translated
from posthouse.model.mailbox import DELETED
from posthouse.model.mailbox_name import parents
from posthouse.model.undelete import KEPT_PERCENT, is_shadow, shadow_name

PUT_AWAY_MESSAGES = 100
TRIM_MESSAGES = 100
TRIM_STEPS_AT_ONCE = 5


def expunge(work: Work, arguments: list[Any]) -> list[int]:
    """``[mailbox_id, ranges or None, undelete_bytes, unmarked]``; gives the UIDs that went. ``unmarked``: also messages that
    do not have ``\\Deleted``."""
    mailbox_id, ranges, undelete_bytes, unmarked = arguments
    account_id, _, _, mod_seq, words, deleted, name = work.mailbox(mailbox_id)
    if not deleted and not unmarked:
        return []
    if not unmarked:
        rows = chosen_rows(work.all, mailbox_id, EVERYTHING if ranges is None else ranges)
        ranges = to_ranges([uid for uid, bits in zip(rows.uids, rows.flags, strict=True) if bits & DELETED])
    gone = messages(work, mailbox_id, EVERYTHING if ranges is None else ranges)
    if not gone:
        return []
    final = not undelete_bytes or is_shadow(name)
    remove(work, mailbox_id, gone, mod_seq + 1)
    work.touch(mailbox_id, account_id, mod_seq + 1)
    if final:
        work.loosen(row[3] for row in gone)
    else:
        put_away(work, shadow_of(work, account_id, name), gone, words)
        trim(work, account_id, undelete_bytes)
    return [row[0] for row in gone]


def settle(work: Work, arguments: list[Any]) -> None:
    """``[mailbox_id, ranges that go, undelete_bytes, ranges that are seen]``: what a POP session leaves."""
    mailbox_id, gone, undelete_bytes, seen = arguments
    if gone:
        expunge(work, [mailbox_id, gone, undelete_bytes, True])
    if seen:
        store_flags(work, [mailbox_id, seen, "add", ["\\Seen"], None])


def shadow_of(work: Work, account_id: int, name: str) -> int:
    """The mailbox that holds what is deleted in mailbox ``name``, made if need be; the levels above it cannot be selected."""
    wanted = shadow_name(name)
    found = find(work, account_id, wanted)
    if found and found[1]:
        return int(found[0])
    if found:  # so far it only led to others; a mailbox that can be selected never was this one
        work.execute("DELETE FROM mailbox WHERE mailbox_id = ?", (found[0],))
    for above in parents(wanted):
        if not find(work, account_id, above):
            make(work, account_id, above, selectable=False)
    return make(work, account_id, wanted)


def put_away(work: Work, shadow_id: int, gone: list[Row], words: str, at: float | None = None) -> None:
    """Adds deleted messages, rows of ``messages`` from a mailbox with keywords ``words``, to a shadow mailbox."""
    account_id, _, uid, mod_seq, target_words, _, _ = work.mailbox(shadow_id)
    source, keywords = tuple(words.split()), tuple(target_words.split())
    saved_at = work.now if at is None else at
    mod_seq += 1
    rows: list[Row] = []
    for _, flags, size_bytes, body_id, received_at, _, _ in gone:
        if flags > SYSTEM_MASK:
            flags, keywords = translated(flags, source, keywords)
        rows.append((shadow_id, uid + len(rows), flags & ~DELETED, mod_seq, body_id, size_bytes, received_at, saved_at))
    insert(work, shadow_id, rows)
    grow_mailbox(work, shadow_id, rows, mod_seq, keywords)
    work.touch(shadow_id, account_id, mod_seq)


def put_away_step(work: Work, mailbox_id: int) -> bool:
    """Puts some messages of a deleted mailbox away; False when there are none left, or its shadow is gone meanwhile."""
    row = work.one(
        "SELECT shadow_id, keywords, doomed_at, undelete_bytes FROM doomed_mailbox WHERE mailbox_id = ?", (mailbox_id,)
    )
    if row is None or not row[0]:
        return False
    shadow_id, words, doomed_at, undelete_bytes = row
    shadow = work.one("SELECT account_id FROM mailbox WHERE mailbox_id = ? AND selectable", (shadow_id,))
    gone = messages(work, mailbox_id, EVERYTHING, PUT_AWAY_MESSAGES) if shadow else []
    if shadow is None or not gone:
        work.execute("UPDATE doomed_mailbox SET shadow_id = 0 WHERE mailbox_id = ?", (mailbox_id,))
        return False
    drop(work, mailbox_id, gone[-1][0])
    put_away(work, shadow_id, gone, words, doomed_at)
    trim(work, shadow[0], undelete_bytes)
    return True


def trim(work: Work, account_id: int, undelete_bytes: int) -> None:
    """Sees to it that an account's deleted messages are not too many octets."""
    row = work.one("SELECT deleted_bytes FROM account_usage WHERE account_id = ?", (account_id,))
    if row is None or row[0] <= undelete_bytes:
        return
    for _ in range(TRIM_STEPS_AT_ONCE):
        if not trim_step(work, account_id, undelete_bytes):
            return
    work.execute("INSERT OR REPLACE INTO trim_due VALUES (?, ?)", (account_id, undelete_bytes))
    work.upkeep_due = True


def trim_step(work: Work, account_id: int, undelete_bytes: int) -> bool:
    """Drops some of the oldest deleted messages; False when enough are gone. A shadow mailbox's oldest has the lowest UID."""
    row = work.one("SELECT deleted_bytes FROM account_usage WHERE account_id = ?", (account_id,))
    excess = (row[0] if row else 0) - undelete_bytes * KEPT_PERCENT // 100
    if excess <= 0:
        return False
    oldest = work.all(
        "SELECT mailbox_id, (SELECT saved_at FROM message AS m WHERE m.mailbox_id = b.mailbox_id ORDER BY uid LIMIT 1) AS first"
        " FROM mailbox AS b WHERE account_id = ? AND shadow AND message_count ORDER BY first, mailbox_id LIMIT 2",
        (account_id,),
    )
    if not oldest:
        return False
    mailbox_id = oldest[0][0]
    until = oldest[1][1] if len(oldest) > 1 else work.now
    candidates = messages(work, mailbox_id, EVERYTHING, TRIM_MESSAGES)
    gone: list[Row] = []
    for candidate in candidates:
        if excess <= 0 or (gone and candidate[6] > until):
            break
        gone.append(candidate)
        excess -= candidate[2]
    mod_seq = work.mailbox(mailbox_id)[3] + 1
    remove(work, mailbox_id, gone, mod_seq)
    work.loosen(row[3] for row in gone)
    work.touch(mailbox_id, account_id, mod_seq)
    return True
