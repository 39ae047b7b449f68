"""One run of a migration job: folder by folder, what is new is added, flags that changed are changed, what vanished may go.

Nothing is copied twice and nothing is lost, whatever is killed when: before a batch is added, the record says that it will be
(``intend``); after it, under which keys it is there (``settle``). A batch whose outcome nobody wrote down is looked for at the
target when the job goes on. Messages that fail are noted and tried again by the next run; they stop nothing. What stops a run
is trouble that all others would meet too: a side that cannot be reached (Temporary), a full quota (``Halted``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from posthouse.base.clock import Clock
from posthouse.base.errors import Permanent
from posthouse.formats import dates
from posthouse.interfaces.mail_source import FlagChange, Folder, Letter, Listed, MailSource, MailTarget, Wanted, digest_of
from posthouse.interfaces.migrations import Entry, FolderRecord, MigrationRecord
from posthouse.migration.names import use_by_name
from posthouse.model.mailbox import DEFAULT_MAILBOXES, INBOX
from posthouse.model.migration import Counts, Job, JobProblem

BATCH_MESSAGES = 50
BATCH_BYTES = 4 << 20
FLAGS_AT_ONCE = 1_000
_HEAD_BYTES = 16_384
_OUR_NAMES = frozenset(name for name, _ in DEFAULT_MAILBOXES)
_NOT_KEPT = frozenset(("\\recent",))


class Halted(Exception):
    """The run cannot go on, for a reason that someone must see to first."""


@dataclass(slots=True)
class _Open:
    """A folder under way. ``entries`` by the source's keys; ``orphans``: those whose keys the source has no more, by digest."""

    folder: Folder
    record: FolderRecord
    reference: str
    entries: dict[str, Entry]
    orphans: dict[bytes, list[str]] = field(default_factory=dict)
    batch: list[tuple[Letter, Entry]] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    batch_bytes: int = 0


class Copying:
    """``run`` it once. ``counts`` are always as recorded or newer."""

    def __init__(self, job: Job, source: MailSource, target: MailTarget, record: MigrationRecord, clock: Clock) -> None:
        self._job = job
        self._source = source
        self._target = target
        self._record = record
        self._clock = clock
        self.counts: Counts = job.counts.anew()

    async def run(self) -> None:
        """Copies all. Raises Temporary, Permanent (a side that refuses altogether), Halted."""
        await self._record.clear_problems(self._job.job_id)
        for folder in sorted(await self._source.folders(), key=_order):
            try:
                await self._copy_folder(folder)
            except Permanent as error:
                _halt_for_quota(error)
                await self._problem(folder, "", error.public)
            self.counts = self.counts.plus(folders=1)

    async def _copy_folder(self, folder: Folder) -> None:
        listing = await self._source.listing(folder)
        opened = await self._open(folder)
        await self._recover(opened)
        listed = {each.key: each for each in listing}
        for key, entry in opened.entries.items():
            if key not in listed:
                opened.orphans.setdefault(entry.digest, []).append(key)
        self.counts = self.counts.plus(found=len(listed))
        wanted = [each for each in listed.values() if each.key not in opened.entries]
        if wanted:
            async for letter in self._source.letters(folder, wanted):
                await self._take(opened, letter)
        await self._flush(opened)
        if self._target.takes_changes:
            await self._update(opened, listed)
            if self._job.remove:
                await self._remove(opened, listed)

    async def _open(self, folder: Folder) -> _Open:
        record = await self._record.folder(self._job.job_id, folder.name)
        reference = await self._target.open_folder(folder, record.reference)
        if reference != record.reference:
            await self._record.change_folder(record.folder_id, reference=reference, detach=bool(record.reference))
        entries = {entry.key: entry for entry in await self._record.entries(record.folder_id)}
        return _Open(folder, record, reference, entries)

    async def _recover(self, opened: _Open) -> None:
        """Finds out what became of a batch that was under way when the last run ended."""
        pending = [entry for entry in opened.entries.values() if entry.target_key is None]
        if not pending:
            return
        wanted = [Wanted(entry.key, entry.digest, entry.received_at) for entry in pending]
        keys = await self._target.find(opened.reference, opened.record.mark, wanted)
        whole = self._target.whole_batches and any(key is not None for key in keys)
        added, dropped = {}, []
        for entry, key in zip(pending, keys, strict=True):
            if key is not None or whole:
                # Part of a batch that was added as a whole: its user has moved or deleted it meanwhile.
                added[entry.key] = key or ""
            else:
                dropped.append(entry.key)
        self.counts = self.counts.plus(copied=len(added))
        await self._settle(opened, added, dropped)

    async def _take(self, opened: _Open, letter: Letter) -> None:
        if letter.trouble:
            await self._problem(opened.folder, letter.key, letter.trouble)
            return
        digest = digest_of(letter.content)
        if old := opened.orphans.get(digest):
            # The source numbered its messages anew, or this one came back: it is here already.
            opened.renamed[old.pop(0)] = letter.key
            if len(opened.renamed) >= BATCH_MESSAGES:
                await self._flush(opened)
            return
        at = letter.received_at if letter.received_at is not None else _date_of(letter.content, self._clock.now())
        flags = _kept(letter.flags)
        entry = Entry(letter.key, digest, at, flags)
        if opened.folder.all_mail and await self._record.known_elsewhere(self._job.job_id, opened.record.folder_id, digest):
            entry = replace(entry, target_key="")
        if opened.batch and opened.batch_bytes + len(letter.content) > BATCH_BYTES:
            await self._flush(opened)
        opened.batch.append((replace(letter, received_at=at, flags=flags), entry))
        opened.batch_bytes += len(letter.content)
        if len(opened.batch) >= BATCH_MESSAGES:
            await self._flush(opened)

    async def _flush(self, opened: _Open) -> None:
        if opened.renamed:
            await self._record.rename(opened.record.folder_id, opened.renamed)
            for old, new in opened.renamed.items():
                opened.entries[new] = replace(opened.entries.pop(old), key=new)
            opened.renamed = {}
        batch, opened.batch, opened.batch_bytes = opened.batch, [], 0
        if batch:
            await self._add(opened, batch)

    async def _add(self, opened: _Open, batch: Sequence[tuple[Letter, Entry]]) -> None:
        letters = [letter for letter, entry in batch if entry.target_key is None]
        mark = await self._target.mark(opened.reference)
        await self._record.intend(opened.record.folder_id, mark, [entry for _, entry in batch])
        opened.entries.update((entry.key, entry) for _, entry in batch)
        try:
            keys = await self._target.append(opened.reference, letters) if letters else ()
        except Permanent as error:
            await self._one_by_one(opened, batch, mark, error)
            return
        size_bytes = sum(len(letter.content) for letter in letters)
        self.counts = self.counts.plus(copied=len(letters), copied_bytes=size_bytes)
        await self._settle(opened, {letter.key: key for letter, key in zip(letters, keys, strict=True)}, [])

    async def _one_by_one(self, opened: _Open, batch: Sequence[tuple[Letter, Entry]], mark: str, error: Permanent) -> None:
        """A batch was refused: what is not there is tried alone, so that the one at fault is found."""
        tried = [(letter, entry) for letter, entry in batch if entry.target_key is None]
        keys: Sequence[str | None] = [None] * len(tried)
        if not self._target.whole_batches:
            wanted = [Wanted(entry.key, entry.digest, entry.received_at) for _, entry in tried]
            keys = await self._target.find(opened.reference, mark, wanted)
        added = {entry.key: key for (_, entry), key in zip(tried, keys, strict=True) if key is not None}
        left = [(letter, entry) for letter, entry in tried if entry.key not in added]
        self.counts = self.counts.plus(copied=len(added))
        await self._settle(opened, added, [entry.key for _, entry in left])
        _halt_for_quota(error)
        if len(batch) == 1:
            await self._problem(opened.folder, batch[0][0].key, error.public)
            return
        for each in left:
            await self._add(opened, [each])

    async def _settle(self, opened: _Open, added: Mapping[str, str], dropped: Sequence[str]) -> None:
        await self._record.settle(opened.record.folder_id, added, dropped, self.counts)
        for key, target_key in added.items():
            opened.entries[key] = replace(opened.entries[key], target_key=target_key)
        for key in dropped:
            del opened.entries[key]

    async def _update(self, opened: _Open, listed: Mapping[str, Listed]) -> None:
        """Carries over what changed at the source since it was last looked at; what changed here stays."""
        groups: defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
        noted: dict[str, tuple[str, ...]] = {}
        for key, each in listed.items():
            entry = opened.entries.get(key)
            if entry is None or (flags := _kept(each.flags)) == entry.flags:
                continue
            noted[key] = flags
            if entry.target_key:
                added = tuple(flag for flag in flags if flag not in entry.flags)
                removed = tuple(flag for flag in entry.flags if flag not in flags)
                groups[added, removed].append(entry.target_key)
        for (added, removed), keys in groups.items():
            for at in range(0, len(keys), FLAGS_AT_ONCE):
                change = FlagChange(tuple(keys[at : at + FLAGS_AT_ONCE]), added, removed)
                await self._target.change_flags(opened.reference, [change])
            self.counts = self.counts.plus(updated=len(keys))
        if noted:
            await self._record.note_flags(opened.record.folder_id, noted)

    async def _remove(self, opened: _Open, listed: Mapping[str, Listed]) -> None:
        gone = [entry for key, entry in opened.entries.items() if key not in listed]
        keys = [entry.target_key for entry in gone if entry.target_key]
        for at in range(0, len(keys), FLAGS_AT_ONCE):
            await self._target.remove(opened.reference, keys[at : at + FLAGS_AT_ONCE])
        if gone:
            self.counts = self.counts.plus(removed=len(keys))
            await self._record.forget(opened.record.folder_id, [entry.key for entry in gone])

    async def _problem(self, folder: Folder, key: str, text: str) -> None:
        self.counts = self.counts.plus(failed=1)
        await self._record.add_problem(self._job.job_id, JobProblem(self._clock.now(), folder.name, key, text))


def _halt_for_quota(error: Permanent) -> None:
    if error.imap_code == "OVERQUOTA":
        raise Halted(error.public) from error


def _kept(flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(flag for flag in flags if flag.lower() not in _NOT_KEPT))


def _order(folder: Folder) -> tuple[int, str]:
    """INBOX first; then those whose use is sure, so that they get the mailbox for it; what shows others' messages last."""
    if folder.all_mail:
        return 5, folder.name
    if folder.levels == (INBOX,):
        return 0, ""
    if folder.special_use:
        return 1, folder.name
    if folder.name in _OUR_NAMES:
        return 2, folder.name
    return (3 if use_by_name(folder.levels) else 4), folder.name


def _date_of(content: bytes, now: float) -> float:
    """When a message was written by its Date field, ``now`` if that cannot be read or lies in the future."""
    head = content[:_HEAD_BYTES].partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        if line[:5].lower() == b"date:":
            at = dates.parse(line[5:].decode("latin-1"))
            return at if at is not None and 0 <= at <= now else now
    return now
