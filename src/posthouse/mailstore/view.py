"""What one mailbox looks like at one moment: an immutable snapshot that all sessions of a process share.

A message's *index* is its sequence number minus one. Columns are those of ``MessageRows``, 9 bytes a message as a rule; an
advance copies them (some microseconds for 20,000 messages) and touches only the changed rows. ``Delta`` is what happened
between two snapshots, in terms that a session can tell its client: which indexes of the old one are gone, how many messages
are new, which rows changed. It knows nothing of sessions and of IMAP's text. Sources: RFC 9051 §2.3.1 (message numbers),
RFC 7162 (mod-sequences).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from posthouse.model.mailbox import DELETED, SEEN, Changes, MessageRow
from posthouse.model.message_rows import MessageRows, like

# From so many removed rows on, the columns are rebuilt in one pass instead of one memmove for each.
_REBUILD_FROM = 64


@dataclass(frozen=True, slots=True)
class Delta:
    """From the snapshot at ``since`` to that at ``mod_seq``: the UIDs ``gone``, and those of rows that stayed but ``changed``,
    both ascending."""

    since: int
    mod_seq: int
    gone: tuple[int, ...]
    changed: tuple[int, ...]


class MailboxView:
    """One snapshot. The arrays are never changed once it is made.

    ``mod_seq`` is the mailbox's HIGHESTMODSEQ of that moment, ``uid_next`` its UIDNEXT, ``keywords`` what the bits mean.
    """

    __slots__ = ("flags", "keywords", "mod_seq", "mod_seqs", "uid_next", "uids")

    def __init__(
        self,
        uids: array[int],
        flags: array[int],
        mod_seqs: array[int],
        mod_seq: int,
        uid_next: int,
        keywords: tuple[str, ...] = (),
    ) -> None:
        self.uids = uids
        self.flags = flags
        self.mod_seqs = mod_seqs
        self.mod_seq = mod_seq
        self.uid_next = uid_next
        self.keywords = keywords

    @classmethod
    def of(cls, rows: Sequence[MessageRow], mod_seq: int, uid_next: int, keywords: tuple[str, ...] = ()) -> MailboxView:
        """From all rows of a mailbox in ascending UID order."""
        columns = MessageRows.of(rows)
        return cls(columns.uids, columns.flags, columns.mod_seqs, mod_seq, uid_next, keywords)

    def _copy(self) -> MailboxView:
        return MailboxView(self.uids[:], self.flags[:], self.mod_seqs[:], self.mod_seq, self.uid_next, self.keywords)

    @property
    def rows(self) -> MessageRows:
        """All of it, by index."""
        return MessageRows(self.uids, self.flags, self.mod_seqs)

    def __len__(self) -> int:
        return len(self.uids)

    def index(self, uid: int) -> int:
        """The index of ``uid``, -1 if there is no such message."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else -1

    def first_unseen(self) -> int:
        """The number of the first message without \\Seen, 0 if all have it."""
        return next((at for at, bits in enumerate(self.flags, 1) if not bits & SEEN), 0)

    def span(self, first_uid: int, last_uid: int) -> range:
        """Indexes of the messages with ``first_uid <= UID <= last_uid``."""
        return range(bisect_left(self.uids, first_uid), bisect_left(self.uids, last_uid + 1))

    def advanced(self, changes: Changes) -> tuple[MailboxView, Delta]:
        """The next snapshot: this one with ``changes`` (all that happened since ``mod_seq``) applied."""
        rows = MessageRows.of(changes.rows)
        places = self.places(rows.uids)
        new = [] if isinstance(places, range) else [at for at, place in enumerate(places) if place < 0]
        gone = tuple(uid for uid in changes.vanished if self.index(uid) >= 0)
        moves = bool(new or gone)
        view = MailboxView(
            self.uids[:] if moves else self.uids,
            like(self.flags, rows.flags)[:],
            like(self.mod_seqs, rows.mod_seqs)[:],
            changes.mod_seq,
            max(changes.uid_next, self.uid_next),
            self.keywords if changes.keywords is None else changes.keywords,
        )
        view._set(places, rows)
        changed = [uid for uid, place in zip(rows.uids, places, strict=True) if place >= 0] if new else rows.uids
        view._insert(rows.at(new))
        if gone:
            lost = set(gone)
            view._drop([view.index(uid) for uid in gone])
            changed = [uid for uid in changed if uid not in lost]
        return view, Delta(self.mod_seq, changes.mod_seq, gone, tuple(changed))

    def places(self, uids: array[int]) -> Sequence[int]:
        """The indexes of ascending UIDs, -1 for those that are not here."""
        start = self.index(uids[0]) if uids else -1
        if start >= 0 and self.uids[start : start + len(uids)] == uids:
            return range(start, start + len(uids))
        return [self.index(uid) for uid in uids]

    def _set(self, places: Sequence[int], rows: MessageRows) -> None:
        """Changes rows at their indexes, -1 for none. Only while the snapshot is being made."""
        if isinstance(places, range):
            self.flags[places.start : places.stop] = like(rows.flags, self.flags)
            self.mod_seqs[places.start : places.stop] = like(rows.mod_seqs, self.mod_seqs)
            return
        for place, flags, mod_seq in zip(places, rows.flags, rows.mod_seqs, strict=True):
            if place >= 0:
                self.flags[place] = flags
                self.mod_seqs[place] = mod_seq

    def delta_to(self, newer: MailboxView) -> Delta:
        """What happened between this snapshot and a newer one, found by comparing them; takes time by their length."""
        gone: tuple[int, ...] = ()
        if newer.uids[: len(self.uids)] != self.uids:
            alive = set(newer.uids)
            gone = tuple(uid for uid in self.uids if uid not in alive)
        since, mine = self.mod_seq, self.uid_next
        changed = [uid for uid, mod_seq in zip(newer.uids, newer.mod_seqs, strict=True) if mod_seq > since and uid < mine]
        if gone:
            known = set(self.uids)
            changed = [uid for uid in changed if uid in known]
        return Delta(since, newer.mod_seq, gone, tuple(changed))

    def with_ghosts(self, older: MailboxView, gone: Iterable[int]) -> MailboxView:
        """This snapshot with the messages ``gone``, as they were in ``older``, put back at their places.

        For a client that may not be told of an expunge yet (RFC 9051 §7.5.1): its numbers must stay as they are.
        """
        view = self._copy()
        indexes = [(uid, older.index(uid)) for uid in gone]
        view._insert(MessageRows.of([(uid, older.flags[at], older.mod_seqs[at]) for uid, at in indexes if at >= 0]))
        return view

    def with_unknown(self, uids: Sequence[int]) -> MailboxView:
        """This snapshot with messages put back of which nothing but the UID is known; they show as deleted."""
        view = self._copy()
        view._insert(MessageRows.of([(uid, DELETED, 0) for uid in uids]))
        return view

    def without(self, gone: Iterable[int]) -> MailboxView:
        """This snapshot without some messages, UIDs that are not in it are ignored."""
        view = self._copy()
        view._drop([at for at in (self.index(uid) for uid in gone) if at >= 0])
        return view

    def _insert(self, rows: MessageRows) -> None:
        """Adds rows at their places. Only while the snapshot is being made."""
        if not rows:
            return
        self.flags, self.mod_seqs = like(self.flags, rows.flags), like(self.mod_seqs, rows.mod_seqs)
        if not self.uids or self.uids[-1] < rows.uids[0]:
            self.uids.extend(rows.uids)
            self.flags.extend(like(rows.flags, self.flags))
            self.mod_seqs.extend(like(rows.mod_seqs, self.mod_seqs))
            return
        for uid, flags, mod_seq in rows:
            at = bisect_left(self.uids, uid)
            self.uids.insert(at, uid)
            self.flags.insert(at, flags)
            self.mod_seqs.insert(at, mod_seq)

    def _drop(self, indexes: Sequence[int]) -> None:
        """Removes rows at ascending indexes. Only while the snapshot is being made."""
        if len(indexes) < _REBUILD_FROM:
            for column in (self.uids, self.flags, self.mod_seqs):
                for at in reversed(indexes):
                    del column[at]
            return
        self.uids = _without(self.uids, indexes)
        self.flags = _without(self.flags, indexes)
        self.mod_seqs = _without(self.mod_seqs, indexes)


def _without(column: array[int], indexes: Sequence[int]) -> array[int]:
    """A copy of a column that leaves out ascending indexes."""
    kept = array(column.typecode)
    start = 0
    for at in indexes:
        kept.extend(column[start:at])
        start = at + 1
    kept.extend(column[start:])
    return kept
