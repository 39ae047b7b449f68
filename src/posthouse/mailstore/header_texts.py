"""Header fields of many messages at a time, as lists of messages show them: as the store has them ready, or read from the
messages' beginnings, then kept.

A message never changes, so what was asked of it once is kept by mailbox and UID, for all sessions of a process, bounded by
octets: clients ask for the same fields at every start. Oldest mailboxes go first. It knows nothing of IMAP's text.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.base.errors import NotFound
from posthouse.formats.mime import heads, index, sections
from posthouse.interfaces.mailstore import MailReader
from posthouse.model.listed_fields import LISTED

MAX_BYTES = 16 << 20
MAX_QUESTION_BYTES = 16 << 10
"""Questions are kept with their answers; one that is longer is answered only."""
_OVERHEAD_BYTES = 150
_LISTED = frozenset(name.encode("ascii") for name in LISTED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Fields by name (lower case), or with ``exclude`` all but these: all of the header for none. ``raw``: the header with
    its own blank line and whatever else stands in it."""

    names: frozenset[bytes] = frozenset()
    exclude: bool = False
    raw: bool = False


class HeaderTexts:
    """A bounded cache over the store."""

    def __init__(self, store: MailReader, max_bytes: int = MAX_BYTES) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[int, Wanted], dict[int, bytes]] = OrderedDict()
        self.size_bytes = 0

    async def of(self, mailbox_id: int, uids: Sequence[int], wanted: Wanted) -> dict[int, bytes]:
        """The octets by UID, of the messages that exist; there may be others in it."""
        if _weight(wanted) > MAX_QUESTION_BYTES:
            return await self._read(mailbox_id, uids, wanted)
        key = mailbox_id, wanted
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = {}
            self.size_bytes += _weight(wanted)
            while self.size_bytes > self._max_bytes and len(self._kept) > 1:
                self._forget(next(iter(self._kept)))
        else:
            self._kept.move_to_end(key)
        missing = [uid for uid in uids if uid not in kept]
        if not missing:
            return kept
        fresh = await self._read(mailbox_id, missing, wanted)
        if self._kept.get(key) is kept and self._keep(kept, fresh):
            return kept
        return {**{uid: kept[uid] for uid in uids if uid in kept}, **fresh}

    async def _read(self, mailbox_id: int, uids: Sequence[int], wanted: Wanted) -> dict[int, bytes]:
        out: dict[int, bytes] = {}
        if not (wanted.raw or wanted.exclude) and wanted.names <= _LISTED:
            names = [name.decode("ascii") for name in wanted.names]
            found = await self._store.listed_fields(mailbox_id, uids, names)
            out = {uid: octets for uid, octets in found if octets is not None}
            uids = [uid for uid, octets in found if octets is None] if len(out) < len(found) else ()
        for uid, head in await self._store.heads(mailbox_id, uids) if uids else ():
            octets = heads.whole_header(head) if wanted.raw else heads.chosen_fields(head, wanted.names, exclude=wanted.exclude)
            if octets is None:
                octets = await self._from_content(mailbox_id, uid, wanted)
            if octets is not None:
                out[uid] = octets
        return out

    async def _from_content(self, mailbox_id: int, uid: int, wanted: Wanted) -> bytes | None:
        """From the whole message: its header is long, or it is nothing but header."""
        try:
            (facts,) = await self._store.facts(mailbox_id, [uid])
            content = await self._store.content(facts.body_id)
        except (NotFound, ValueError):
            return None
        root = index(content)
        if wanted.raw:
            return sections.section(content, root, "", "HEADER")
        names = [name.decode("latin-1") for name in wanted.names]
        return sections.header_fields(content, root, "", names, exclude=wanted.exclude)

    def _keep(self, kept: dict[int, bytes], fresh: dict[int, bytes]) -> bool:
        """Keeps ``fresh`` if there is room or room can be made; whether it did."""
        fresh = {uid: octets for uid, octets in fresh.items() if uid not in kept}
        size_bytes = sum(map(len, fresh.values())) + _OVERHEAD_BYTES * len(fresh)
        while self.size_bytes + size_bytes > self._max_bytes:
            oldest = next(iter(self._kept))
            if self._kept[oldest] is kept:
                return False
            self._forget(oldest)
        kept.update(fresh)
        self.size_bytes += size_bytes
        return True

    def _forget(self, key: tuple[int, Wanted]) -> None:
        gone = self._kept.pop(key)
        self.size_bytes -= sum(map(len, gone.values())) + _OVERHEAD_BYTES * len(gone) + _weight(key[1])


def _weight(wanted: Wanted) -> int:
    """About what a question takes in memory."""
    return sum(map(len, wanted.names)) + _OVERHEAD_BYTES * (len(wanted.names) + 2)
