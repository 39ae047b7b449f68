"""Units of work on the outbound queue: record, set_state, delete (OUT-6). Messages enter it by ``units_accept``.

Every unit that ends a message's stay loosens its body. A message that was taken out while an attempt was under way is
gone: what the attempt did is then nobody's business, and no bounce is sent.
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.parcels import unpack_sender
from posthouse.backends.sqlite.units_accept import accept
from posthouse.backends.sqlite.work import Work


def record(work: Work, arguments: list[Any]) -> None:
    """``[queue_id, [[recipient_id, state, reply, relay, next_attempt_at, delayed_notice], ...], [of accept, ...]]``."""
    queue_id, outcomes, follow = arguments
    if not work.one("SELECT 1 FROM queued WHERE queue_id = ?", (queue_id,)):
        return
    work.executemany(
        "UPDATE queued_recipient SET state = CASE WHEN state = 'held' AND ?2 = 'waiting' THEN state ELSE ?2 END,"
        " attempts = attempts + 1, last_reply = ?3, relay = ?4, next_attempt_at = ?5,"
        " delayed_notice = delayed_notice OR ?6"
        " WHERE recipient_id = ?1 AND queue_id = ?7 AND state IN ('waiting', 'held')",
        ((*outcome, queue_id) for outcome in outcomes),
    )
    for each in follow:
        accept(work, each)
    if not work.one("SELECT 1 FROM queued_recipient WHERE queue_id = ? AND state IN ('waiting', 'held') LIMIT 1", (queue_id,)):
        delete(work, [queue_id])


def put_off(work: Work, arguments: list[Any]) -> int:
    """``[[recipient_id, was_due_at, again_at, reply], ...]``; gives how many were put off."""
    count = 0
    for row in arguments:
        work.execute(
            "UPDATE queued_recipient SET attempts = attempts + 1, last_reply = ?4, relay = '', next_attempt_at = ?3"
            " WHERE recipient_id = ?1 AND +state = 'waiting' AND +next_attempt_at = ?2",
            row,
        )
        count += work.connection.changes()
    return count


def set_state(work: Work, arguments: list[Any]) -> int:
    """``[queue_id, state, next_attempt_at]``; gives how many recipients it changed."""
    queue_id, state, next_attempt_at = arguments
    work.execute(
        "UPDATE queued_recipient SET state = ?1, next_attempt_at = iif(?1 = 'waiting', ?2, next_attempt_at)"
        " WHERE queue_id = ?3 AND state IN ('waiting', 'held')",
        (state, next_attempt_at, queue_id),
    )
    changed = work.connection.changes()
    work.queue_grew = work.queue_grew or changed > 0
    return changed


def set_account_state(work: Work, arguments: list[Any]) -> tuple[int, str]:
    """``[account, state, after, limit]``: of so many messages of an account; gives how many recipients it changed, and the last
    of the messages, "" when there are no more."""
    account, state, after, limit = arguments
    rows = work.all(
        "SELECT queue_id FROM queued WHERE account = ? AND account <> '' AND queue_id > ? ORDER BY queue_id LIMIT ?",
        (account, after, limit),
    )
    other, changed = ("waiting" if state == "held" else "held"), 0
    for row in rows:
        work.execute("UPDATE queued_recipient SET state = ? WHERE queue_id = ? AND state = ?", (state, row[0], other))
        changed += work.connection.changes()
    work.queue_grew = work.queue_grew or (changed > 0 and state == "waiting")
    return changed, (rows[-1][0] if len(rows) == limit else "")


def retry(work: Work, arguments: list[Any]) -> tuple[int, int, str]:
    """``[now, after, limit]``: of so many messages; gives how many messages and recipients are due, and the last message looked
    at, "" when there are no more."""
    now, after, limit = arguments
    rows = work.all("SELECT queue_id, sender FROM queued WHERE queue_id > ? ORDER BY queue_id LIMIT ?", (after, limit))
    messages = recipients = 0
    for queue_id, sender in rows:
        if unpack_sender(sender).hold_until > now:
            continue
        work.execute(
            "UPDATE queued_recipient SET next_attempt_at = ? WHERE queue_id = ? AND +state = 'waiting'", (now, queue_id)
        )
        changed = work.connection.changes()
        messages, recipients = messages + (changed > 0), recipients + changed
    work.queue_grew = work.queue_grew or recipients > 0
    return messages, recipients, (rows[-1][0] if len(rows) == limit else "")


def delete(work: Work, arguments: list[Any]) -> bool:
    """``[queue_id]``; gives whether there was such a message."""
    queue_id = arguments[0]
    row = work.one("DELETE FROM queued WHERE queue_id = ? RETURNING body_id", (queue_id,))
    if row is None:
        return False
    work.execute("DELETE FROM queued_recipient WHERE queue_id = ?", (queue_id,))
    work.loosen([row[0]])
    return True
