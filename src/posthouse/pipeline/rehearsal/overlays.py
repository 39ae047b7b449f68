"""Proposed scripts and entries of sender lists, in front of what is at rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from posthouse.interfaces.scripts import Scripts
from posthouse.interfaces.senders import SenderLists
from posthouse.model.script import MemoryKind, ScriptOwner, StoredScript, StoredWordList
from posthouse.model.senders import EntryKind, ListOwner, SenderEntry, has_wildcard

PROPOSED = "proposed"


class ProposedScripts:
    """``interfaces.scripts.Scripts``: ``texts`` instead of all active scripts of their owners, "" is none."""

    def __init__(self, at_rest: Scripts, texts: Mapping[ScriptOwner, str]) -> None:
        self._at_rest = at_rest
        self._texts = dict(texts)

    async def active(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        if owner not in self._texts:
            return await self._at_rest.active(owner)
        text = self._texts[owner]
        return [StoredScript(PROPOSED, text, active=True, position=0, changed_at=0.0)] if text else []

    async def script(self, owner: ScriptOwner, name: str) -> StoredScript | None:
        return await self._at_rest.script(owner, name)

    async def scripts(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        return await self._at_rest.scripts(owner)

    async def remembered(self, account_id: int, kind: MemoryKind, key: str, now: float) -> bool:
        return await self._at_rest.remembered(account_id, kind, key, now)

    async def word_list(self, name: str) -> StoredWordList | None:
        return await self._at_rest.word_list(name)

    async def word_lists(self) -> Sequence[StoredWordList]:
        return await self._at_rest.word_lists()


class ProposedSenders:
    """``interfaces.senders.SenderLists`` with some entries more."""

    def __init__(self, at_rest: SenderLists, more: Sequence[SenderEntry]) -> None:
        self._at_rest = at_rest
        self._more = tuple(more)

    async def having(self, owners: Sequence[ListOwner]) -> Sequence[ListOwner]:
        found = {*await self._at_rest.having(owners), *(each.owner for each in self._more)}
        return [owner for owner in owners if owner in found]

    async def candidates(self, owner: ListOwner, keys: Collection[str]) -> Sequence[SenderEntry]:
        found = await self._at_rest.candidates(owner, keys)
        mine = [each for each in self._more if each.owner == owner]
        return [*found, *(each for each in mine if each.pattern in keys or has_wildcard(each.pattern))]

    async def entries(
        self, owner: ListOwner, *, kind: EntryKind | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SenderEntry]:
        return await self._at_rest.entries(owner, kind=kind, after=after, limit=limit)
