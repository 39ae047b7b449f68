"""The outbound queue's durable side on SQLite (``interfaces.spool``): reads here, writes as units through the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from posthouse.backends.sqlite.accepting import accept_arguments
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.packing import Packer
from posthouse.backends.sqlite.parcels import unpack_recipient, unpack_sender
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.sink import LIFETIME_S
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.clock import SystemClock
from posthouse.base.errors import BadValue
from posthouse.base.ids import Ids
from posthouse.model.plan import Acceptance
from posthouse.model.queued import Delay, Outcome, QueuedMessage, QueuedRecipient, State

_MESSAGE = "SELECT queue_id, trace_id, sender, body_id, size_bytes, queued_at, expires_at FROM queued WHERE "
_RECIPIENT = (
    "SELECT recipient_id, queue_id, recipient, original, next_hop, state, attempts, next_attempt_at, last_reply, relay,"
    " delayed_notice FROM queued_recipient WHERE "
)
_DUE = (
    "SELECT r.recipient_id, r.queue_id, r.recipient, r.original, r.next_hop, r.state, r.attempts, r.next_attempt_at,"
    " r.last_reply, r.relay, r.delayed_notice, q.trace_id, q.sender, q.body_id, q.size_bytes, q.queued_at, q.expires_at"
    " FROM queued_recipient AS r INDEXED BY {0} CROSS JOIN queued AS q ON q.queue_id = r.queue_id"
    " WHERE r.state = 'waiting' AND "
)
_BY_TIME = _DUE.format("queued_recipient_by_time")
_URGENT = _DUE.format("queued_recipient_urgent") + "r.priority > 0 AND "
"""By its own index: whoever looked for urgent mail by time would go through all that is due."""
_WAITING = "SELECT recipient_id FROM queued_recipient WHERE queue_id = ? AND +state = 'waiting'"
_POSTPONED = (
    "SELECT count(*) FROM (SELECT 1 FROM queued AS q WHERE account = ? AND account <> '' AND EXISTS (SELECT 1 FROM"
    " queued_recipient AS r WHERE r.queue_id = q.queue_id AND attempts = 0 AND next_attempt_at > ?) LIMIT ?)"
)
_LISTED = (
    "{0} AND queue_id IN (SELECT queue_id FROM queued AS q WHERE queue_id > ? {1} AND EXISTS"
    " (SELECT 1 FROM queued_recipient AS r WHERE r.queue_id = q.queue_id AND {0}) ORDER BY queue_id LIMIT ?)"
    " ORDER BY queue_id, recipient_id"
)


class SqliteSpool:
    """``gate`` leads to the writing thread of the database at ``path``; ``lifetime_s`` is of bounces."""

    def __init__(
        self,
        gate: Gate,
        path: Path,
        *,
        lifetime_s: Callable[[], float] = lambda: LIFETIME_S,
        ids: Ids | None = None,
        packer: Packer | None = None,
    ) -> None:
        self._gate = gate
        self._path = path
        self._reading = MailReading(path)
        self._blobs = BlobFiles(blob_folder(path))
        self._packer = packer or Packer(path)
        self._lifetime_s = lifetime_s
        self._ids = ids or Ids(SystemClock())

    def close(self) -> None:
        """Closes the connection."""
        self._reading.close()

    # --- reading

    async def latest(self, now: float, limit: int) -> Sequence[QueuedMessage]:
        order = "r.next_attempt_at <= ? ORDER BY r.next_attempt_at DESC, r.recipient_id DESC LIMIT ?"
        return self._page(_BY_TIME + order, (now, limit))[::-1]

    async def due(
        self, now: float, limit: int, after: tuple[float, int] = (0.0, 0), *, urgent: bool = False
    ) -> Sequence[QueuedMessage]:
        which = "r.next_attempt_at <= ? AND (r.next_attempt_at, r.recipient_id) > (?, ?)"
        rows = _URGENT if urgent else _BY_TIME
        return self._page(f"{rows}{which} ORDER BY r.next_attempt_at, r.recipient_id LIMIT ?", (now, *after, limit))

    def _page(self, sql: str, bindings: tuple[Any, ...]) -> list[QueuedMessage]:
        """Recipients and their messages as of one moment: one statement. A message that left in between would make the page
        look short, and what is short is the last one."""
        grouped: dict[str, tuple[tuple[Any, ...], list[QueuedRecipient]]] = {}
        for row in self._reading.all(sql, bindings):
            recipient = _recipient(row[:11])
            grouped.setdefault(row[1], ((row[1], *row[11:]), []))[1].append(recipient)
        return [_message(row, tuple(members)) for row, members in grouped.values()]

    async def next_due(self, later_than: float = -1.0) -> float | None:
        sql = "SELECT min(next_attempt_at) FROM queued_recipient WHERE state = 'waiting' AND next_attempt_at > ?"
        rows = self._reading.all(sql, (later_than,))
        found: float | None = rows[0][0]
        return found

    async def get(self, queue_id: str) -> QueuedMessage | None:
        rows = self._reading.all(_RECIPIENT + "queue_id = ? ORDER BY recipient_id", (queue_id,))
        found = self._messages([_recipient(row) for row in rows])
        return found[0] if found else None

    async def waiting(self, queue_id: str) -> frozenset[int]:
        rows = self._reading.all(_WAITING, (queue_id,))
        return frozenset(recipient_id for (recipient_id,) in rows)

    async def listing(
        self, *, state: State | None = None, limit: int = 1000, after: str = "", account: str = ""
    ) -> Sequence[QueuedMessage]:
        # The "+" keeps SQLite from going through all recipients of a state for each page.
        states, wanted = ("+state <> 'done'", ()) if state is None else ("+state = ?", (state,))
        whose, names = ("AND account = ? AND account <> ''", (account.lower(),)) if account else ("", ())
        rows = self._reading.all(_RECIPIENT + _LISTED.format(states, whose), (*wanted, after, *names, *wanted, limit))
        return self._messages([_recipient(row) for row in rows])

    async def postponed(self, account: str, now: float, most: int) -> int:
        [(count,)] = self._reading.all(_POSTPONED, (account.lower(), now, most))
        return int(count)

    async def count(self) -> dict[str, int]:
        """In a thread: a long queue takes long to count."""
        return await asyncio.to_thread(self._counted)

    def _counted(self) -> dict[str, int]:
        with closing(MailReading(self._path)) as reading:
            return dict(reading.all("SELECT state, count(*) FROM queued_recipient GROUP BY state", ()))

    async def content(self, body_id: int) -> bytes:
        octets = self._reading.content(body_id)
        if octets is None:
            octets = await asyncio.to_thread(self._blobs.read, self._reading.file_digest(body_id))
        return octets

    def _messages(self, recipients: Sequence[QueuedRecipient]) -> list[QueuedMessage]:
        """The messages of these recipients, in the order of each one's first."""
        grouped: dict[str, list[QueuedRecipient]] = {}
        for recipient in recipients:
            grouped.setdefault(recipient.queue_id, []).append(recipient)
        found = []
        for queue_id, members in grouped.items():
            for row in self._reading.all(_MESSAGE + "queue_id = ?", (queue_id,)):
                found.append(_message(row, tuple(members)))
        return found

    # --- writing

    async def record(self, queue_id: str, outcomes: Sequence[Outcome], *follow: Acceptance) -> None:
        packed = [(o.recipient_id, o.state, o.reply, o.relay, o.next_attempt_at, o.delayed_notice) for o in outcomes]

        def arguments(parcels: list[list[Any]]) -> list[Any]:
            each = zip(follow, parcels, strict=True)
            return [queue_id, packed, [accept_arguments(one, octets, self._ids, self._lifetime_s()) for one, octets in each]]

        contents = [(one.content, one.summary) for one in follow]
        await self._packer.call(self._gate, "queue_record", contents, arguments)

    async def put_off(self, delays: Sequence[Delay]) -> int:
        packed = [(each.recipient_id, each.was_due_at, each.again_at, each.reply) for each in delays]
        count: int = await self._gate.call("queue_put_off", packed)
        return count

    async def set_state(self, queue_id: str, state: State, *, next_attempt_at: float = 0.0) -> int:
        if state not in ("waiting", "held"):
            raise BadValue("A message in the queue can be held or waiting")
        changed: int = await self._gate.call("queue_state", [queue_id, state, next_attempt_at])
        return changed

    async def set_account_state(self, account: str, state: State, *, after: str = "", limit: int = 100) -> tuple[int, str]:
        if state not in ("waiting", "held"):
            raise BadValue("A message in the queue can be held or waiting")
        changed, last = await self._gate.call("queue_account_state", [account.lower(), state, after, limit])
        return changed, last

    async def retry(self, now: float, *, after: str = "", limit: int = 500) -> tuple[int, int, str]:
        messages, recipients, last = await self._gate.call("queue_retry", [now, after, limit])
        return messages, recipients, last

    async def delete(self, queue_id: str) -> bool:
        found: bool = await self._gate.call("queue_delete", [queue_id])
        return found


def _recipient(row: tuple[Any, ...]) -> QueuedRecipient:
    recipient_id, queue_id, packed, original, next_hop, state, attempts, next_attempt_at, last_reply, relay, notice = row
    return QueuedRecipient(
        recipient_id=recipient_id,
        queue_id=queue_id,
        recipient=unpack_recipient(packed),
        original=original,
        next_hop=next_hop,
        state=state,
        attempts=attempts,
        next_attempt_at=next_attempt_at,
        last_reply=last_reply,
        relay=relay,
        delayed_notice=bool(notice),
    )


def _message(row: tuple[Any, ...], recipients: tuple[QueuedRecipient, ...]) -> QueuedMessage:
    queue_id, trace_id, packed, body_id, size_bytes, queued_at, expires_at = row
    sender = unpack_sender(packed)
    return QueuedMessage(queue_id, trace_id, sender, body_id, size_bytes, queued_at, expires_at, recipients)
