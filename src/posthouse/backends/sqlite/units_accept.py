"""The unit that makes an accepted message durable: mailboxes, queue and quarantines together (``interfaces.sink``).

The hottest of all units: one statement finds and counts up the mailbox. Arguments:
``[trace_id, spare_id, received_at, sender, parcel, [[account_id, mailbox, flag names, allowed], ...],
[[recipient, next_hop, original], ...], expires_at, [values for ``held``, ...], due_at, priority, account]``, with sender and
recipients packed as ``parcels.py`` does and what is held as ``held_rows.py`` does.
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.held_rows import INSERT as INSERT_HELD
from posthouse.backends.sqlite.mailbox_rows import make_tree
from posthouse.backends.sqlite.quota import grow
from posthouse.backends.sqlite.trees import trees_of
from posthouse.backends.sqlite.units_bodies import keep_body
from posthouse.backends.sqlite.units_mailbox import provision
from posthouse.backends.sqlite.units_message import insert
from posthouse.backends.sqlite.work import Row, Work
from posthouse.base.errors import Temporary
from posthouse.model.flags import flag_bits
from posthouse.model.mailbox import DELETED, INBOX, SEEN
from posthouse.model.mailbox_name import normal_name
from posthouse.model.quota import Growth, Way
from posthouse.model.tree_quota import has_room

_COUNT_UP = (
    "UPDATE mailbox SET uid_next = uid_next + 1, mod_seq = mod_seq + 1, message_count = message_count + 1,"
    " unseen = unseen + 1, size_bytes = size_bytes + ? WHERE account_id = ? AND name = ? AND selectable AND NOT shadow"
    " RETURNING mailbox_id, uid_next, mod_seq, keywords"
)

_ALONE = Way(delivery=True)
_WITH_OTHERS = Way(delivery=True, forced=True)


def accept(work: Work, arguments: list[Any]) -> None:
    """Raises Temporary when an account is gone, or a large content's file, and OVERQUOTA's errors when the only recipient's
    mailbox is full; then nothing of the message is kept."""
    (trace_id, spare_id, received_at, sender, parcel, mailboxes, recipients, expires_at, held, due_at, priority, account) = (
        arguments
    )
    if not mailboxes and not recipients and not held:
        return
    body_id = keep_body(work, parcel)
    # Of several recipients none is refused here: RCPT has looked already (``pipeline.quota``), so that a mailbox is over by
    # this one message at most.
    way = _ALONE if len(mailboxes) == 1 and not recipients and not held else _WITH_OTHERS
    for account_id, name, flags, allowed in mailboxes:
        growth = Growth(parcel[1], 1)
        grow(work, account_id, allowed, growth, way)
        if name != INBOX and not has_room(trees_of(work.all, account_id), name, growth):
            name = INBOX
        _deliver(work, body_id, parcel[1], received_at, account_id, name, flags)
    if recipients:
        taken = work.one("SELECT 1 FROM queued WHERE queue_id = ?", (trace_id,))
        queue_id = spare_id if taken else trace_id
        message = (queue_id, trace_id, sender, body_id, parcel[1], received_at, expires_at, account)
        work.execute("INSERT INTO queued VALUES (?, ?, ?, ?, ?, ?, ?, ?)", message)
        work.executemany(
            "INSERT INTO queued_recipient (queue_id, recipient, next_hop, original, next_attempt_at, priority)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            ((queue_id, recipient, next_hop, original, due_at, priority) for recipient, next_hop, original in recipients),
        )
        work.queue_grew = True
    if held:
        work.executemany(INSERT_HELD, ((*values, trace_id, body_id, parcel[1], received_at, work.now) for values in held))


def accept_all(work: Work, arguments: list[Any]) -> None:
    """``[arguments of accept, ...]``: all of them or none."""
    for each in arguments:
        accept(work, each)


def _deliver(
    work: Work, body_id: int, size_bytes: int, received_at: float, account_id: int, name: str, flags: list[str]
) -> None:
    mailbox_id, uid_next, mod_seq, keywords = _count_up(work, account_id, name, size_bytes)
    bits = _flags(work, mailbox_id, flags, keywords) if flags else 0
    insert(work, mailbox_id, [(mailbox_id, uid_next - 1, bits, mod_seq, body_id, size_bytes, received_at, work.now)])
    work.touch(mailbox_id, account_id, mod_seq)


def _count_up(work: Work, account_id: int, name: str, size_bytes: int) -> Row:
    row = work.one(_COUNT_UP, (size_bytes, account_id, name))
    if row is None and (provision(work, [account_id]) or name != INBOX):
        row = work.one(_COUNT_UP, (size_bytes, account_id, name)) or work.one(_COUNT_UP, (size_bytes, account_id, INBOX))
    if row is None and account_id < 0:
        row = _count_up_shared(work, account_id, name, size_bytes)
    if row is None:
        cause = f"account {account_id} was deleted meanwhile"
        raise Temporary("The mailbox is not available", enhanced="4.2.0", cause=cause)
    return row


def _count_up_shared(work: Work, account_id: int, name: str, size_bytes: int) -> Row | None:
    """A mailbox of a shared tree that an alias names is made when there is mail for it: nothing else there could take it."""
    if work.one("SELECT 1 FROM gone_account WHERE account_id = ?", (account_id,)):
        return None
    make_tree(work, account_id, normal_name(name))
    return work.one(_COUNT_UP, (size_bytes, account_id, normal_name(name)))


def _flags(work: Work, mailbox_id: int, names: list[str], words: str) -> int:
    """The bits of the flags a filter set; those that do not fit are left out, since mail is not lost over a flag."""
    bits, keywords = flag_bits(names, words.split(), lenient=True)
    work.execute(
        "UPDATE mailbox SET unseen = unseen - ?, deleted = deleted + ?, keywords = ? WHERE mailbox_id = ?",
        (bool(bits & SEEN), bool(bits & DELETED), " ".join(keywords), mailbox_id),
    )
    return bits
