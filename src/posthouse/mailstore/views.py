"""The views of a process: one current snapshot for each mailbox that is in use, shared by all its sessions, bounded by rows.

A snapshot is loaded once by ``rows`` and advanced by ``changes``. For a short while the steps between snapshots are kept, so
that a session that is a few steps behind learns what happened without comparing whole mailboxes. Entries are dropped, oldest
use first, once all together have more than ``max_rows`` rows; sessions keep the snapshots that they hold.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

from posthouse.base.errors import NotFound
from posthouse.mailstore.as_reader import MailboxSource
from posthouse.mailstore.view import Delta, MailboxView
from posthouse.model.mailbox import Changes, MailboxInfo

MAX_ROWS = 4_000_000
_KEPT_DELTAS = 64
# A step that changed more rows than this is not worth keeping: comparing snapshots is as quick.
_MAX_DELTA_ROWS = 4096
_ENTRY_ROWS = 50


class _Entry:
    __slots__ = ("deltas", "lock", "view")

    def __init__(self) -> None:
        self.view: MailboxView | None = None
        self.deltas: deque[Delta] = deque(maxlen=_KEPT_DELTAS)
        self.lock = asyncio.Lock()

    def remember(self, delta: Delta) -> None:
        if len(delta.changed) + len(delta.gone) > _MAX_DELTA_ROWS:
            self.deltas.clear()
        else:
            self.deltas.append(delta)


class MailboxViews:
    """Snapshots by mailbox id."""

    def __init__(self, store: MailboxSource, max_rows: int = MAX_ROWS) -> None:
        self._store = store
        self._max_rows = max_rows
        self._rows = 0
        self._entries: OrderedDict[int, _Entry] = OrderedDict()

    @property
    def rows(self) -> int:
        """Rows held now, with a fixed charge for each mailbox."""
        return self._rows

    async def current(self, mailbox_id: int, mod_seq: int, base: MailboxView | None = None) -> MailboxView:
        """A snapshot that has everything up to ``mod_seq``, maybe more.

        ``base``: an older, whole snapshot of the mailbox that the caller holds, to start from if the process has none.
        Raises NotFound once the mailbox is deleted.
        """
        entry = self._entries.get(mailbox_id)
        if entry is None:
            entry = self._entries[mailbox_id] = _Entry()
            entry.view = base
            self._rows += _weight(entry)
        else:
            self._entries.move_to_end(mailbox_id)
        view = entry.view
        if view is not None and view.mod_seq >= mod_seq:
            return view
        async with entry.lock:
            view = entry.view
            if view is None or view.mod_seq < mod_seq:
                view = await self._refresh(mailbox_id, entry)
        return view

    async def _refresh(self, mailbox_id: int, entry: _Entry) -> MailboxView:
        before = _weight(entry)
        try:
            if entry.view is None:
                info, rows = await self._store.rows(mailbox_id)
                view = MailboxView.of(rows, info.mod_seq, info.uid_next, info.keywords)
            else:
                changes = await self._store.changes(mailbox_id, entry.view.mod_seq)
                view, delta = entry.view.advanced(changes)
                entry.remember(delta)
        except NotFound:
            self.forget(mailbox_id)
            raise
        entry.view = view
        if self._entries.get(mailbox_id) is entry:
            self._rows += _weight(entry) - before
            self._shrink()
        return view

    def apply(self, mailbox_id: int, view: MailboxView, changes: Changes) -> MailboxView:
        """The snapshot after ``changes``, which are known to be the very next thing after ``view``."""
        newer, delta = view.advanced(changes)
        entry = self._entries.get(mailbox_id)
        if entry is None or entry.view is None or entry.view.mod_seq != view.mod_seq:
            return entry.view if entry is not None and entry.view and entry.view.mod_seq == newer.mod_seq else newer
        entry.view = newer
        entry.remember(delta)
        return newer

    def delta(self, mailbox_id: int, old: MailboxView, new: MailboxView) -> Delta:
        """What happened between two snapshots of a mailbox; UIDs that were put back as ghosts in ``old`` may be left out."""
        if old.mod_seq == new.mod_seq:
            return Delta(old.mod_seq, new.mod_seq, (), ())
        entry = self._entries.get(mailbox_id)
        steps: list[Delta] = []
        for step in reversed(entry.deltas if entry is not None else ()):
            if step.mod_seq <= new.mod_seq:
                steps.append(step)
            if step.since <= old.mod_seq:
                break
        if not steps or steps[-1].since != old.mod_seq or steps[0].mod_seq != new.mod_seq:
            return old.delta_to(new)
        gone = {uid for step in steps for uid in step.gone}
        changed = {uid for step in steps for uid in step.changed} - gone
        return Delta(old.mod_seq, new.mod_seq, _known(old, gone), _known(old, changed))

    def first_unseen(self, info: MailboxInfo) -> int:
        """The number of the first message without \\Seen in the mailbox as ``info`` shows it; 0 if there is none, or if it
        cannot be told without reading the mailbox."""
        if info.unseen == info.exists:
            return min(info.exists, 1)
        entry = self._entries.get(info.mailbox_id)
        if not info.unseen or entry is None or entry.view is None or entry.view.mod_seq != info.mod_seq:
            return 0
        return entry.view.first_unseen()

    def forget(self, mailbox_id: int) -> None:
        """Drops a mailbox that was deleted."""
        entry = self._entries.pop(mailbox_id, None)
        if entry is not None:
            self._rows -= _weight(entry)

    def _shrink(self) -> None:
        while self._rows > self._max_rows and len(self._entries) > 1:
            _, entry = self._entries.popitem(last=False)
            self._rows -= _weight(entry)


def _weight(entry: _Entry) -> int:
    return _ENTRY_ROWS + (len(entry.view) if entry.view is not None else 0)


def _known(view: MailboxView, uids: set[int]) -> tuple[int, ...]:
    return tuple(sorted(uid for uid in uids if view.index(uid) >= 0))
