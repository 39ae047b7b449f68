"""What one client has been told of its selected mailbox, and what it is still to be told.

Opening needs no rows: the facts of the mailbox suffice until the first command that speaks of messages, and also while only
new messages arrive. From then on the client's message numbers stand in ``view``: a shared snapshot, or, while messages are gone
of which the client may not be told yet, that snapshot with these *ghosts* put back. Sources: RFC 9051 §5.2, §5.5, §7.5.1;
RFC 2180. It knows nothing of IMAP's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.base.errors import NotFound
from posthouse.mailstore.as_reader import MailboxSource
from posthouse.mailstore.view import MailboxView
from posthouse.mailstore.views import MailboxViews
from posthouse.model.mailbox import Appended, Changes, FlagsChanged, MailboxInfo
from posthouse.model.message_rows import MessageRows
from posthouse.model.rights import ALL_RIGHTS


@dataclass(frozen=True, slots=True)
class Update:
    """What to tell, in this order: ``expunged`` message numbers (descending, so each is right when its turn comes) with their
    ``gone_uids`` (ascending), the new number of messages (None: as before), whether there are new ``keywords``, and the
    indexes in the view of rows that ``changed``. ``deleted``: the mailbox is no more."""

    expunged: tuple[int, ...] = ()
    gone_uids: tuple[int, ...] = ()
    exists: int | None = None
    keywords: bool = False
    changed: tuple[int, ...] = ()
    deleted: bool = False


NOTHING = Update()
DELETED = Update(deleted=True)


class SelectedMailbox:
    """The state of one session's selection. ``exists`` is the number of messages that the client knows of; ``mod_seq``,
    ``uid_next`` and ``keywords`` are the mailbox's as far as it has been told; ``info`` are the facts of when it was opened.

    ``reader`` is the session's account if the mailbox is not its own (0 if it is); ``rights`` are what it may do then, as
    last looked up (``model.rights``).
    """

    __slots__ = (
        "_ghosts",
        "_store",
        "_told",
        "_view",
        "_views",
        "exists",
        "info",
        "keywords",
        "mailbox_id",
        "mod_seq",
        "read_only",
        "reader",
        "rights",
        "uid_next",
    )

    def __init__(
        self,
        store: MailboxSource,
        views: MailboxViews,
        info: MailboxInfo,
        *,
        read_only: bool,
        reader: int = 0,
        rights: str = ALL_RIGHTS,
    ) -> None:
        self._store = store
        self._views = views
        self._view: MailboxView | None = None
        self._ghosts: tuple[int, ...] = ()
        self._told: dict[int, int] = {}
        self.mailbox_id = info.mailbox_id
        self.info = info
        self.mod_seq = info.mod_seq
        self.uid_next = info.uid_next
        self.keywords = info.keywords
        self.exists = info.exists
        self.read_only = read_only
        self.reader = reader
        self.rights = rights

    async def view(self) -> MailboxView:
        """The messages by the numbers that the client knows. Raises NotFound once the mailbox is deleted."""
        if self._view is None:
            self._view = await self._load()
        return self._view

    async def _load(self) -> MailboxView:
        """The snapshot as of ``info``: what happened since then is taken back, for ``sync`` to tell."""
        view = await self._views.current(self.mailbox_id, self.mod_seq)
        if view.mod_seq == self.mod_seq:
            return view
        changes = await self._store.changes(self.mailbox_id, self.mod_seq)
        known = view.without(view.uids[view.span(self.uid_next, 0xFFFF_FFFF).start :])
        gone = [uid for uid in changes.vanished if uid < self.uid_next and known.index(uid) < 0]
        known = known.with_unknown(gone)
        known.mod_seq, known.uid_next = self.mod_seq, self.uid_next
        return known

    @property
    def has_ghosts(self) -> bool:
        """Whether the client still counts messages that are gone."""
        return bool(self._ghosts)

    def is_ghost(self, uid: int) -> bool:
        """Whether the message is gone already, though the client still counts it."""
        return bool(self._ghosts) and uid in self._ghosts

    def mark_told(self, rows: Sequence[tuple[int, int]]) -> None:
        """Takes note that the client has seen these (UID, mod-sequence) states in the course of a command."""
        self._told.update(rows)

    def applied(self, result: FlagsChanged, before: MailboxView) -> bool:
        """Advances by the session's own STORE without asking the store, if nothing else has happened in between."""
        if self._view is not before or self._ghosts or result.before_mod_seq != before.mod_seq:
            return False
        rows = MessageRows.of(result.rows)
        if not rows.all_of(result.mod_seq):
            rows = rows.at([at for at, mod_seq in enumerate(rows.mod_seqs) if mod_seq > before.mod_seq])
        keywords = max(before.keywords, self.keywords, key=len)
        changes = Changes(result.mod_seq, before.uid_next, rows, (), keywords)
        self._view = self._views.apply(self.mailbox_id, before, changes)
        self.mod_seq = result.mod_seq
        return True

    def grown(self, result: Appended) -> bool:
        """The same after the session's own APPEND to this mailbox; the client is to be told ``exists`` then."""
        if self._ghosts or self.reader or not result.before_mod_seq or result.before_mod_seq != self.mod_seq:
            return False
        uid_next = result.uids[-1] + 1 if result.uids else self.uid_next
        if self._view is not None:
            if self._view.mod_seq != self.mod_seq:
                return False
            changes = Changes(result.mod_seq, uid_next, result.rows, (), max(self._view.keywords, self.keywords, key=len))
            self._view = self._views.apply(self.mailbox_id, self._view, changes)
        self.exists += len(result.uids)
        self.mod_seq, self.uid_next = result.mod_seq, uid_next
        return True

    async def learn_keywords(self) -> bool:
        """Reads the mailbox's keywords anew, after a STORE that may have made one; whether there are more now."""
        fresh = await self._store.mailbox_by_id(self.mailbox_id)
        if fresh is None or len(fresh.keywords) == len(self.keywords):
            return False
        self.keywords = fresh.keywords
        return True

    async def sync(self, *, expunge: bool) -> Update:
        """Catches up with the mailbox. ``expunge`` False: the client's numbers must not move now."""
        mod_seq = await self._store.mod_seq(self.mailbox_id)
        if not mod_seq:
            return DELETED
        if mod_seq <= self.mod_seq and not (expunge and self._ghosts):
            self._told.clear()
            return NOTHING
        try:
            if self._view is None and (update := await self._sync_unloaded()) is not None:
                return update
            old = await self.view()
            new = await self._views.current(self.mailbox_id, mod_seq, None if self._ghosts else old)
        except NotFound:
            return DELETED
        return self._tell(old, new, expunge=expunge)

    async def _sync_unloaded(self) -> Update | None:
        """As long as only new messages came, their number is enough; None if the view is needed."""
        changes = await self._store.changes(self.mailbox_id, self.mod_seq)
        known = self.uid_next
        if (changes.rows and changes.rows[0].uid < known) or any(uid < known for uid in changes.vanished):
            return None
        self.exists += len(changes.rows)
        self.mod_seq, self.uid_next = changes.mod_seq, changes.uid_next
        return Update(exists=self.exists if changes.rows else None, keywords=self._learn(changes.keywords))

    def _learn(self, keywords: tuple[str, ...] | None) -> bool:
        """Whether there are more keywords than were known; there are never fewer."""
        if keywords is None or len(keywords) <= len(self.keywords):
            return False
        self.keywords = keywords
        return True

    def _tell(self, old: MailboxView, new: MailboxView, *, expunge: bool) -> Update:
        delta = self._views.delta(self.mailbox_id, old, new)
        gone = tuple(sorted({*delta.gone, *self._ghosts})) if self._ghosts else delta.gone
        expunged: tuple[int, ...] = ()
        if gone and not expunge:
            view, self._ghosts = new.with_ghosts(old, gone), gone
        else:
            view, self._ghosts = new, ()
            expunged = tuple(old.index(uid) + 1 for uid in reversed(gone))
        left = self.exists - len(expunged)
        told = self._told
        changed = [view.index(uid) for uid in delta.changed]
        if told:
            changed = [at for at in changed if told.get(view.uids[at]) != view.mod_seqs[at]]
            told.clear()
        self._view, self.exists = view, len(view)
        self.mod_seq, self.uid_next = new.mod_seq, new.uid_next
        exists = len(view) if len(view) != left else None
        return Update(expunged, gone if expunge else (), exists, self._learn(new.keywords), tuple(changed))
