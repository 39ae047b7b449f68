"""The mail store's further faces on SQLite: sums, annotations, expiry (``interfaces.usage``). A part of ``mailstore.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from posthouse.backends.sqlite.flag_blocks import all_rows
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.trees import trees_of
from posthouse.backends.sqlite.uid_sets import Chosen, to_ranges
from posthouse.interfaces.usage import Annotation
from posthouse.model.expiry import DAY_S, ENTRY, Expiry
from posthouse.model.mailbox import DELETED, SEEN
from posthouse.model.quota import Standing, Usage
from posthouse.model.settings import StoreSettings
from posthouse.model.tree_quota import TreeQuota

_SUMS = "SELECT size_bytes, messages, mailboxes, deleted_bytes, deleted_messages FROM {} WHERE {} = ?"
_EXPIRING = (
    "SELECT m.mailbox_id, m.account_id, special_use, coalesce(CAST(value AS TEXT), '') FROM mailbox AS m"
    " LEFT JOIN annotation AS a ON a.mailbox_id = m.mailbox_id AND a.account_id = 0 AND entry = ?"
    " WHERE m.mailbox_id > ? AND selectable AND NOT shadow AND message_count"
    " AND (value IS NOT NULL OR special_use IN ('\\Trash', '\\Junk')) ORDER BY m.mailbox_id LIMIT ?"
)
_EXPIRED = "SELECT uid FROM message WHERE mailbox_id = ? AND (saved_at < ? OR uid < ?) ORDER BY uid"
Read = TypeVar("Read")


class SqliteUsage:
    """``UsageBook``, ``Annotations`` and ``Expiring``. ``SqliteMailStore`` sets the fields."""

    _gate: Gate
    _settings: Callable[[], StoreSettings]
    _reading: MailReading
    _large: MailReading
    _large_thread: ThreadPoolExecutor

    # --- sums

    async def usage(self, account_id: int) -> Usage:
        rows = self._reading.all(_SUMS.format("account_usage", "account_id"), (account_id,))
        return Usage(*rows[0]) if rows else Usage()

    async def standing(self, account_id: int) -> Standing:
        rows = self._reading.all("SELECT over_since, warning FROM account_usage WHERE account_id = ?", (account_id,))
        return Standing(*rows[0]) if rows else Standing()

    async def domain_usage(self, domain_id: int) -> Usage:
        rows = self._reading.all(_SUMS.format("domain_usage", "domain_id"), (domain_id,))
        return Usage(*rows[0]) if rows else Usage()

    async def deleted_bytes(self, mailbox_id: int) -> int:
        counted = self._reading.all("SELECT deleted FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
        if not counted or not counted[0][0]:
            return 0

        def add_up() -> int:
            rows = all_rows(self._large.all, mailbox_id)
            deleted = [uid for uid, bits in zip(rows.uids, rows.flags, strict=True) if bits & DELETED]
            chosen = Chosen.of(to_ranges(deleted))
            sql = f"SELECT coalesce(sum(size_bytes), 0) FROM message WHERE mailbox_id = ? AND {chosen.condition}"
            return int(self._large.all(sql, (mailbox_id, *chosen.bindings))[0][0])

        return await self._aside(add_up)

    async def warnings_due(self, limit: int) -> Sequence[int]:
        rows = self._reading.all("SELECT account_id FROM account_usage WHERE warning = 1 LIMIT ?", (limit,))
        return [account_id for (account_id,) in rows]

    async def warned(self, account_id: int) -> None:
        await self._gate.call("quota_warned", [account_id])

    async def belong(self, accounts: Sequence[tuple[int, int]]) -> None:
        await self._gate.call("quota_belong", [list(accounts)])

    async def limit_tree(self, mailbox_id: int, quota_bytes: int, quota_messages: int) -> None:
        await self._gate.call("limit_tree", [mailbox_id, quota_bytes, quota_messages])

    async def trees(self, account_id: int) -> Sequence[TreeQuota]:
        return trees_of(self._reading.all, account_id)

    async def recount(self) -> int:
        wrong: int = await self._gate.call("quota_recount", [])
        return wrong

    # --- annotations

    async def annotations(self, mailbox_id: int, account_id: int) -> Sequence[Annotation]:
        sql = "SELECT entry, value FROM annotation WHERE mailbox_id = ? AND account_id = ? ORDER BY entry"
        found: list[Annotation] = self._reading.all(sql, (mailbox_id, account_id))
        return found

    async def annotate(self, mailbox_id: int, account_id: int, entries: Sequence[tuple[str, bytes | None]]) -> None:
        arguments = [mailbox_id, account_id, list(entries), self._settings().max_annotations]
        await self._gate.call("annotate", arguments, sum(len(value or b"") for _, value in entries))

    # --- expiry

    async def expiring(self, after: int, limit: int) -> Sequence[tuple[int, int, str, str]]:
        found: list[Any] = await self._aside(lambda: self._large.all(_EXPIRING, (ENTRY, after, limit)))
        return found

    async def expired(self, mailbox_id: int, expiry: Expiry, now: float, limit: int) -> Sequence[int]:
        def look() -> list[int]:
            first_kept = 0
            if expiry.keep:
                sql = "SELECT uid FROM message WHERE mailbox_id = ? ORDER BY uid DESC LIMIT 1 OFFSET ?"
                newest = self._large.all(sql, (mailbox_id, expiry.keep - 1))
                first_kept = newest[0][0] if newest else 0
            before = now - expiry.days * DAY_S if expiry.days else 0.0
            uids = [uid for (uid,) in self._large.all(_EXPIRED, (mailbox_id, before, first_kept))]
            if uids and expiry.only:
                rows = all_rows(self._large.all, mailbox_id)
                read = {uid for uid, bits in zip(rows.uids, rows.flags, strict=True) if bits & SEEN}
                uids = [uid for uid in uids if (uid in read) is (expiry.only == "read")]
            return uids[:limit]

        return await self._aside(look)

    async def _aside(self, read: Callable[[], Read]) -> Read:
        return await asyncio.get_running_loop().run_in_executor(self._large_thread, read)
