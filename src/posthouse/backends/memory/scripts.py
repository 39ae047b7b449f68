"""Scripts, their memory and word lists in memory (interfaces/scripts.py): both sides in one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posthouse.backends.script_checks import IsActive, checked_script, no_script
from posthouse.base.errors import AlreadyExists, NotFound
from posthouse.model.script import Memory, MemoryKind, ScriptOwner, StoredScript, StoredWordList, normal_script_name


class MemoryScripts:
    """``Scripts`` and ``ScriptsWriter``."""

    def __init__(self) -> None:
        self._scripts: dict[ScriptOwner, list[StoredScript]] = {}
        self._memories: dict[tuple[int, MemoryKind, str], float] = {}
        self._word_lists: dict[str, str] = {}

    async def active(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        return [script for script in self._scripts.get(owner, ()) if script.active]

    async def script(self, owner: ScriptOwner, name: str) -> StoredScript | None:
        return next((script for script in self._scripts.get(owner, ()) if script.name == name), None)

    async def scripts(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        return list(self._scripts.get(owner, ()))

    async def remembered(self, account_id: int, kind: MemoryKind, key: str, now: float) -> bool:
        return self._memories.get((account_id, kind, key), 0.0) > now

    async def word_list(self, name: str) -> StoredWordList | None:
        return StoredWordList(name, self._word_lists[name]) if name in self._word_lists else None

    async def word_lists(self) -> Sequence[StoredWordList]:
        return [StoredWordList(name, text) for name, text in sorted(self._word_lists.items())]

    async def put_script(self, owner: ScriptOwner, name: str, text: str, at: float) -> StoredScript:
        rows = self._scripts.setdefault(owner, [])
        normal = checked_script(name, text, {row.name: len(row.text.encode("utf-8", "replace")) for row in rows})
        for place, row in enumerate(rows):
            if row.name == normal:
                rows[place] = replace(row, text=text, changed_at=at)
                return rows[place]
        rows.append(StoredScript(normal, text, active=False, position=len(rows), changed_at=at))
        return rows[-1]

    async def activate(self, owner: ScriptOwner, name: str, *, on: bool = True) -> None:
        self._place(owner, name)
        exclusive = on and owner.scope == "user"
        self._keep(owner, [self._switched(row, name, on=on, exclusive=exclusive) for row in self._scripts[owner]])

    def _switched(self, row: StoredScript, name: str, *, on: bool, exclusive: bool) -> StoredScript:
        if row.name == name:
            return replace(row, active=on)
        return replace(row, active=False) if exclusive else row

    async def deactivate_all(self, owner: ScriptOwner) -> None:
        self._keep(owner, [replace(row, active=False) for row in self._scripts.get(owner, ())])

    async def move_script(self, owner: ScriptOwner, name: str, position: int) -> None:
        rows = self._scripts.get(owner, [])
        rows.insert(max(position, 0), rows.pop(self._place(owner, name)))
        self._keep(owner, rows)

    async def rename_script(self, owner: ScriptOwner, name: str, new_name: str) -> None:
        normal, place = normal_script_name(new_name), self._place(owner, name)
        rows = self._scripts[owner]
        if normal != name and any(row.name == normal for row in rows):
            raise AlreadyExists(f"there is a script {normal!r} already")
        rows[place] = replace(rows[place], name=normal)

    async def delete_script(self, owner: ScriptOwner, name: str) -> None:
        place = self._place(owner, name)
        if self._scripts[owner][place].active:
            raise IsActive(name)
        del self._scripts[owner][place]
        self._keep(owner, self._scripts[owner])

    async def remember(self, account_id: int, memories: Sequence[Memory]) -> None:
        self._memories.update({(account_id, each.kind, each.key): each.expires_at for each in memories})

    async def expire_memories(self, now: float) -> int:
        gone = [key for key, expires_at in self._memories.items() if expires_at <= now]
        for key in gone:
            del self._memories[key]
        return len(gone)

    async def put_word_list(self, name: str, text: str) -> None:
        self._word_lists[name] = text

    async def delete_word_list(self, name: str) -> None:
        if self._word_lists.pop(name, None) is None:
            raise NotFound(f"no word list {name}")

    def _place(self, owner: ScriptOwner, name: str) -> int:
        for place, row in enumerate(self._scripts.get(owner, ())):
            if row.name == name:
                return place
        raise no_script(name)

    def _keep(self, owner: ScriptOwner, rows: Sequence[StoredScript]) -> None:
        self._scripts[owner] = [replace(row, position=place) for place, row in enumerate(rows)]
