"""Our own store as the place that mail is copied to or from (PLN-4).

Coming in, folders find the mailboxes that they are for: INBOX, Sent, Trash and the like by their use, the others by name; what
names cannot be here is replaced. A message's key is its UIDVALIDITY and UID, so mailboxes may be renamed by their users at
will.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

from posthouse.base.errors import AlreadyExists, NotFound
from posthouse.interfaces.mail_source import FlagChange, Folder, Letter, Listed, Wanted, digest_of
from posthouse.interfaces.mailstore import MailStore
from posthouse.migration.names import allowed_name, use_by_name
from posthouse.model.flags import flag_bits, flag_names
from posthouse.model.mailbox import INBOX, SEPARATOR, MailboxInfo, NewMessage
from posthouse.model.mailbox_name import normal_name
from posthouse.model.namespaces import OTHER_USERS, SHARED
from posthouse.model.undelete import SHADOW, is_shadow

FACTS_AT_ONCE = 200
MAX_DEPTH = 20
_RESERVED = (SHADOW, OTHER_USERS, SHARED)


class StoreTarget:
    """``MailTarget`` on the mailboxes of one account. ``into``: the mailbox that everything goes into or below, "" for none."""

    takes_changes = True
    whole_batches = True

    def __init__(self, store: MailStore, account_id: int, into: str) -> None:
        self._store = store
        self._account_id = account_id
        self._into = normal_name(into) if into else ""
        self._taken: set[int] = set()

    async def open_folder(self, folder: Folder, earlier: str) -> str:
        info = await self._store.mailbox_by_id(int(earlier)) if earlier else None
        if info is None or info.account_id != self._account_id or not info.selectable:
            info = await self._new_folder(folder)
        self._taken.add(info.mailbox_id)
        if folder.subscribed and not info.subscribed:
            await self._store.subscribe(self._account_id, info.name, on=True)
        return str(info.mailbox_id)

    async def _new_folder(self, folder: Folder) -> MailboxInfo:
        if not self._into and (use := folder.special_use or use_by_name(folder.levels)):
            for info in await self._store.mailboxes(self._account_id):
                if info.special_use == use and info.selectable and info.mailbox_id not in self._taken:
                    return info
        name = self._name(folder)
        for number in range(1, 1000):
            tried = name if number == 1 else f"{name} ({number})"
            found = await self._store.mailbox(self._account_id, tried)
            if found is None or not found.selectable:
                return await self._made(tried)
            if found.mailbox_id not in self._taken:
                return found
        raise AlreadyExists(f"There are too many mailboxes named {name}")

    async def _made(self, name: str) -> MailboxInfo:
        try:
            return await self._store.create(self._account_id, name)
        except AlreadyExists:
            found = await self._store.mailbox(self._account_id, name)
            if found is None:
                raise
            return found

    def _name(self, folder: Folder) -> str:
        inbox = len(folder.levels) == 1 and folder.levels[0].upper() == INBOX
        depth = MAX_DEPTH - len(self._into.split(SEPARATOR)) if self._into else MAX_DEPTH
        name = INBOX if inbox else allowed_name(folder.levels, max(depth, 1))
        if self._into:
            return self._into if inbox else self._into + SEPARATOR + name
        top, found, rest = name.partition(SEPARATOR)
        return f"{top}_{found}{rest}" if top in _RESERVED else name

    async def mark(self, reference: str) -> str:
        return str((await self._info(reference)).uid_next)

    async def append(self, reference: str, letters: Sequence[Letter]) -> Sequence[str]:
        info = await self._info(reference)
        known = info.keywords
        messages = []
        for letter in letters:
            # Keywords that the mailbox has no room for, or that are none, are left out rather than the message.
            bits, known = flag_bits(letter.flags, known, lenient=True)
            messages.append(NewMessage(letter.content, flag_names(bits, known), letter.received_at))
        done = await self._store.append(info.mailbox_id, messages)
        return [_key(done.uid_validity, uid) for uid in done.uids]

    async def find(self, reference: str, mark: str, wanted: Sequence[Wanted]) -> Sequence[str | None]:
        info, rows = await self._store.rows(int(reference))
        uids = [row.uid for row in rows if row.uid >= int(mark)]
        dates = {each.received_at for each in wanted}
        there: defaultdict[tuple[bytes, float], list[int]] = defaultdict(list)
        for part in _parts(uids):
            for facts in await self._store.facts(info.mailbox_id, part):
                if facts.received_at in dates:
                    digest = digest_of(await self._store.content(facts.body_id))
                    there[digest, facts.received_at].append(facts.uid)
        found: list[str | None] = []
        for each in wanted:
            uids_left = there[each.digest, each.received_at]
            found.append(_key(info.uid_validity, uids_left.pop(0)) if uids_left else None)
        return found

    async def change_flags(self, reference: str, changes: Sequence[FlagChange]) -> None:
        info = await self._info(reference)
        for change in changes:
            uids = _uids(info, change.keys)
            if change.added:
                bits, known = flag_bits(change.added, info.keywords, lenient=True)
                await self._store.store_flags(info.mailbox_id, uids, "add", flag_names(bits, known))
            if change.removed:
                await self._store.store_flags(info.mailbox_id, uids, "remove", change.removed)

    async def remove(self, reference: str, keys: Sequence[str]) -> None:
        info = await self._info(reference)
        await self._store.expunge(info.mailbox_id, _uids(info, keys), unmarked=True)

    async def close(self) -> None:
        """Nothing to close."""

    async def _info(self, reference: str) -> MailboxInfo:
        info = await self._store.mailbox_by_id(int(reference))
        if info is None:
            raise NotFound("The mailbox was deleted meanwhile")
        return info


class StoreSource:
    """``MailSource`` on the mailboxes of one account; ``mailbox``: that one alone."""

    def __init__(self, store: MailStore, account_id: int, mailbox: str) -> None:
        self._store = store
        self._account_id = account_id
        self._mailbox = normal_name(mailbox) if mailbox else ""

    async def folders(self) -> Sequence[Folder]:
        out = []
        for info in await self._store.mailboxes(self._account_id):
            wanted = info.name == self._mailbox if self._mailbox else not is_shadow(info.name)
            if info.selectable and wanted:
                levels = tuple(info.name.split(SEPARATOR))
                out.append(Folder(levels, str(info.mailbox_id), info.special_use, info.subscribed))
        if self._mailbox and not out:
            raise NotFound(f"There is no mailbox {self._mailbox}")
        return out

    async def listing(self, folder: Folder) -> Sequence[Listed]:
        info, rows = await self._store.rows(int(folder.place))
        return [Listed(_key(info.uid_validity, row.uid), flag_names(row.flags, info.keywords)) for row in rows]

    async def letters(self, folder: Folder, wanted: Sequence[Listed]) -> AsyncIterator[Letter]:
        mailbox_id = int(folder.place)
        by_uid = {_uid(each.key): each for each in wanted}
        for part in _parts(list(by_uid)):
            for facts in await self._store.facts(mailbox_id, part):
                each = by_uid[facts.uid]
                try:
                    content = await self._store.content(facts.body_id)
                except NotFound:
                    continue
                yield Letter(each.key, each.flags, facts.received_at, content)

    async def close(self) -> None:
        """Nothing to close."""


def _key(uid_validity: int, uid: int) -> str:
    return f"{uid_validity}.{uid}"


def _uid(key: str) -> int:
    return int(key.rpartition(".")[2])


def _uids(info: MailboxInfo, keys: Iterable[str]) -> list[int]:
    """Those of the keys that still mean messages of this mailbox."""
    return sorted(_uid(key) for key in keys if key == _key(info.uid_validity, _uid(key)))


def _parts(uids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (uids[at : at + FACTS_AT_ONCE] for at in range(0, len(uids), FACTS_AT_ONCE))
