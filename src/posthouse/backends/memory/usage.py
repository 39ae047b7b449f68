"""The store in memory, its further faces: sums, quotas, annotations, expiry, and the shadow tree of deleted messages.

A part of ``mailstore.py``, with the same contract as the real one (``interfaces.usage``, ``model.quota``, ``model.undelete``);
sums are counted when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from posthouse.backends.memory.boxes import Box, Message
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, NotFound, Permanent
from posthouse.interfaces.limits import Allowances
from posthouse.interfaces.usage import Annotation
from posthouse.model.expiry import DAY_S, ENTRY, Expiry
from posthouse.model.flags import translated
from posthouse.model.limits import Allowance
from posthouse.model.mailbox import DELETED, INBOX, SEEN
from posthouse.model.mailbox_name import parents
from posthouse.model.quota import BY_USER, DUE, TOLD, Growth, Standing, Usage, Way, after_growth
from posthouse.model.settings import StoreSettings
from posthouse.model.tree_quota import TreeQuota, check_trees
from posthouse.model.undelete import KEPT_PERCENT, is_shadow, refuse_shadow, shadow_name


class MemoryUsage:
    """``UsageBook``, ``Annotations``, ``Expiring``. ``MemoryMailStore`` has the mailboxes."""

    _boxes: dict[int, Box]
    _clock: Clock

    _settings: Callable[[], StoreSettings]
    _new_box: Callable[[int, str], Box]
    _notify: Callable[..., None]

    def __init__(self, allowances: Allowances) -> None:
        self._allowances = allowances
        self._standings: dict[int, Standing] = {}
        self._domain_of: dict[int, int] = {}
        self._annotated: dict[tuple[int, int], dict[str, bytes]] = {}

    # --- sums

    async def usage(self, account_id: int) -> Usage:
        return self._sum([box for box in self._boxes.values() if box.account_id == account_id])

    async def standing(self, account_id: int) -> Standing:
        return self._standings.get(account_id, Standing())

    async def domain_usage(self, domain_id: int) -> Usage:
        return self._sum([box for box in self._boxes.values() if self._domain_of.get(box.account_id, 0) == domain_id])

    async def deleted_bytes(self, mailbox_id: int) -> int:
        box = self._boxes.get(mailbox_id)
        marked = [one for one in box.messages.values() if one.flags & DELETED] if box else []
        return sum(one.body.summary.size_bytes for one in marked)

    async def warnings_due(self, limit: int) -> Sequence[int]:
        return sorted(account_id for account_id, one in self._standings.items() if one.warning == DUE)[:limit]

    async def warned(self, account_id: int) -> None:
        standing = self._standings.get(account_id, Standing())
        if standing.warning == DUE:
            self._standings[account_id] = replace(standing, warning=TOLD)

    async def belong(self, accounts: Sequence[tuple[int, int]]) -> None:
        self._domain_of.update(accounts)

    async def limit_tree(self, mailbox_id: int, quota_bytes: int, quota_messages: int) -> None:
        if mailbox_id not in self._boxes:
            raise NotFound("There is no such mailbox")
        box = self._boxes[mailbox_id]
        box.tree_bytes, box.tree_messages = quota_bytes, quota_messages

    async def trees(self, account_id: int) -> Sequence[TreeQuota]:
        return self._trees(account_id)

    def _trees(self, account_id: int) -> list[TreeQuota]:
        boxes = [box for box in self._boxes.values() if box.account_id == account_id]
        found = []
        for root in sorted(boxes, key=lambda box: box.name):
            if root.tree_bytes or root.tree_messages:
                below = [box for box in boxes if f"{box.name}/".startswith(f"{root.name}/")]
                used = sum(box.size_bytes for box in below), sum(len(box.messages) for box in below)
                found.append(TreeQuota(root.name, root.tree_bytes, root.tree_messages, *used))
        return found

    async def recount(self) -> int:
        return 0

    @staticmethod
    def _sum(boxes: Sequence[Box]) -> Usage:
        live = [box for box in boxes if not is_shadow(box.name)]
        shadow = [box for box in boxes if is_shadow(box.name)]
        return Usage(
            sum(box.size_bytes for box in live),
            sum(len(box.messages) for box in live),
            len(live),
            sum(box.size_bytes for box in shadow),
            sum(len(box.messages) for box in shadow),
        )

    @contextmanager
    def _whole(self, account_id: int) -> Iterator[None]:
        """What is refused in the end has left nothing behind."""
        domain_id, standing = self._domain_of.get(account_id, 0), self._standings.get(account_id, Standing())
        try:
            yield
        except MailError:
            self._domain_of[account_id], self._standings[account_id] = domain_id, standing
            raise

    def _grow(self, account_id: int, allowed: Allowance, growth: Growth, way: Way = BY_USER) -> None:
        """Raises MailError if the account may not grow so."""
        if not allowed.is_limited:
            return
        standing = self._standings.get(account_id, Standing())
        with self._whole(account_id):
            self._domain_of[account_id] = allowed.domain_id
            used = self._sum([box for box in self._boxes.values() if box.account_id == account_id])
            in_it = [box for box in self._boxes.values() if self._domain_of.get(box.account_id, 0) == allowed.domain_id]
            now = self._clock.now()
            self._standings[account_id] = after_growth(allowed, used, self._sum(in_it), standing, growth, now, way)

    def _grow_by_mail(self, account_id: int, size_bytes: int, allowed: Mapping[int, Allowance] | None, *, alone: bool) -> None:
        """As in units of the real store: of several recipients none is refused."""
        if allowed is not None:
            self._grow(account_id, allowed[account_id], Growth(size_bytes, 1), Way(delivery=True, forced=not alone))

    def _grow_by_messages(self, box: Box, sizes: Sequence[int], allowed: Allowance) -> None:
        refuse_shadow(box.name)
        growth = Growth(sum(sizes), len(sizes))
        with self._whole(box.account_id):
            self._grow(box.account_id, allowed, growth)
            check_trees(self._trees(box.account_id), box.name, growth)

    def _grow_by_copies(self, box: Box, uids: Sequence[int], target: Box, allowed: Allowance, *, move: bool) -> None:
        refuse_shadow(target.name)
        growth = Growth(sum(box.messages[uid].body.summary.size_bytes for uid in uids), len(uids))
        source = box.name if move and target.account_id == box.account_id else ""
        with self._whole(target.account_id):
            if uids and (not move or target.account_id != box.account_id or is_shadow(box.name)):
                self._grow(target.account_id, allowed, growth)
            if uids:
                check_trees(self._trees(target.account_id), target.name, growth, source=source)

    def _grow_by_renaming(self, boxes: Sequence[Box], new_name: str, missing: int, allowed: Allowance) -> None:
        """New levels, the mailbox for INBOX's messages, what comes out of the shadow tree."""
        account_id, name = boxes[0].account_id, boxes[0].name
        moved = Growth(sum(box.size_bytes for box in boxes), sum(len(box.messages) for box in boxes), missing + len(boxes))
        growth = moved if is_shadow(name) else Growth(mailboxes=missing + (name == INBOX))
        with self._whole(account_id):
            self._grow(account_id, allowed, growth)
            check_trees(self._trees(account_id), new_name, moved, source=name)

    async def _owner_may(self, mailbox_id: int) -> Allowance:
        return await self._allowances(self._boxes[mailbox_id].account_id if mailbox_id in self._boxes else 0)

    def _forget_usage(self, account_id: int) -> None:
        self._standings.pop(account_id, None)
        self._domain_of.pop(account_id, None)
        self._annotated = {key: entries for key, entries in self._annotated.items() if key[1] != account_id}

    # --- deleting

    def _put_away(self, box: Box, messages: Sequence[Message], undelete_bytes: int) -> None:
        """Deleted messages of a mailbox go to its shadow, unless they come from one."""
        if not undelete_bytes or is_shadow(box.name):
            return
        shadow = self._shadow_of(box.account_id, box.name)
        shadow.mod_seq += bool(messages)
        for message in messages:
            bits, shadow.keywords = translated(message.flags & ~DELETED, box.keywords, shadow.keywords)
            shadow.add(Message(message.body, bits, shadow.mod_seq, message.received_at, self._clock.now()))
        self._notify(shadow, *self._trim(box.account_id, undelete_bytes))

    def _shadow_of(self, account_id: int, name: str) -> Box:
        wanted = shadow_name(name)
        names = {box.name: box for box in self._boxes.values() if box.account_id == account_id}
        found = names.get(wanted)
        if found and found.selectable:
            return found
        if found:
            del self._boxes[found.mailbox_id]
        for above in parents(wanted):
            if above not in names:
                self._new_box(account_id, above).selectable = False
        return self._new_box(account_id, wanted)

    def _trim(self, account_id: int, undelete_bytes: int) -> list[Box]:
        """Drops the oldest deleted messages if they are too many octets; gives the mailboxes that changed."""
        boxes = [box for box in self._boxes.values() if box.account_id == account_id and is_shadow(box.name)]
        excess = sum(box.size_bytes for box in boxes)
        if excess <= undelete_bytes:
            return []
        excess -= undelete_bytes * KEPT_PERCENT // 100
        aged = [(one.saved_at, box.mailbox_id, uid, one) for box in boxes for uid, one in box.messages.items()]
        changed: dict[int, Box] = {}
        last = 0
        for _, mailbox_id, uid, one in sorted(aged, key=lambda each: each[:3]):
            if excess <= 0:
                break
            box = changed[mailbox_id] = self._boxes[mailbox_id]
            box.mod_seq += mailbox_id != last
            last = mailbox_id
            box.remove([uid])
            excess -= one.body.summary.size_bytes
        return list(changed.values())

    # --- annotations

    async def annotations(self, mailbox_id: int, account_id: int) -> Sequence[Annotation]:
        return sorted(self._annotated.get((mailbox_id, account_id), {}).items())

    async def annotate(self, mailbox_id: int, account_id: int, entries: Sequence[tuple[str, bytes | None]]) -> None:
        if mailbox_id and mailbox_id not in self._boxes:
            raise NotFound("There is no such mailbox")
        now = dict(self._annotated.get((mailbox_id, account_id), {}))
        for entry, value in entries:
            if value is None:
                now.pop(entry, None)
            else:
                now[entry] = value
        if len(now) > self._settings().max_annotations and any(value is not None for _, value in entries):
            raise Permanent("Too many annotations", code=552, enhanced="5.2.2", imap_code="METADATA TOOMANY")
        self._annotated[mailbox_id, account_id] = now

    # --- expiry

    async def expiring(self, after: int, limit: int) -> Sequence[tuple[int, int, str, str]]:
        found: list[tuple[int, int, str, str]] = []
        for mailbox_id, box in sorted(self._boxes.items()):
            value = self._annotated.get((mailbox_id, 0), {}).get(ENTRY)
            wanted = value is not None or box.special_use in ("\\Trash", "\\Junk")
            if mailbox_id > after and wanted and box.messages and box.selectable and not is_shadow(box.name):
                found.append((mailbox_id, box.account_id, box.special_use, (value or b"").decode()))
        return found[:limit]

    async def expired(self, mailbox_id: int, expiry: Expiry, now: float, limit: int) -> Sequence[int]:
        box = self._boxes.get(mailbox_id)
        messages = box.messages if box else {}
        beyond = set(list(messages)[: -expiry.keep]) if expiry.keep else set[int]()
        before = now - expiry.days * DAY_S if expiry.days else 0.0
        out = [uid for uid, one in messages.items() if one.saved_at < before or uid in beyond]
        if expiry.only:
            out = [uid for uid in out if bool(messages[uid].flags & SEEN) == (expiry.only == "read")]
        return out[:limit]
