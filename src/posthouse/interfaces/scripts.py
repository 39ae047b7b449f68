"""Sieve scripts, what running them remembers, and word lists, at rest (CON-3, CON-4). Who stores a script has checked it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.script import Memory, MemoryKind, ScriptOwner, StoredScript, StoredWordList


class Scripts(Protocol):
    """Reading, in every process. Raises Temporary when it cannot be read."""

    async def active(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        """The active scripts in their order. Cheap: asked for every recipient of every message."""
        ...

    async def script(self, owner: ScriptOwner, name: str) -> StoredScript | None: ...

    async def scripts(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        """All of an owner in their order, texts included."""
        ...

    async def remembered(self, account_id: int, kind: MemoryKind, key: str, now: float) -> bool:
        """Whether it was remembered for this account (0: the site) and has not expired at ``now``."""
        ...

    async def word_list(self, name: str) -> StoredWordList | None: ...

    async def word_lists(self) -> Sequence[StoredWordList]:
        """All, sorted by name."""
        ...


class ScriptsWriter(Protocol):
    """Writing, from every process. Durable when a call returns. Raises Temporary."""

    async def put_script(self, owner: ScriptOwner, name: str, text: str, at: float) -> StoredScript:
        """Makes a script, not active and last in order, or gives one another text. Raises BadValue (name, size), Permanent with
        code OVERQUOTA (too many, too large together)."""
        ...

    async def activate(self, owner: ScriptOwner, name: str, *, on: bool = True) -> None:
        """Switches a script on or off; a user's other scripts go off when one goes on. Raises NotFound."""
        ...

    async def deactivate_all(self, owner: ScriptOwner) -> None: ...

    async def move_script(self, owner: ScriptOwner, name: str, position: int) -> None:
        """Puts a script at a place among its owner's, counted from 0. Raises NotFound."""
        ...

    async def rename_script(self, owner: ScriptOwner, name: str, new_name: str) -> None:
        """It stays active if it was. Raises NotFound, AlreadyExists, BadValue."""
        ...

    async def delete_script(self, owner: ScriptOwner, name: str) -> None:
        """Raises NotFound; Permanent with code ACTIVE while it is active."""
        ...

    async def remember(self, account_id: int, memories: Sequence[Memory]) -> None:
        """Adds, or gives what is there another end."""
        ...

    async def expire_memories(self, now: float) -> int:
        """Drops what has expired; gives how many."""
        ...

    async def put_word_list(self, name: str, text: str) -> None:
        """Makes or replaces."""
        ...

    async def delete_word_list(self, name: str) -> None:
        """Raises NotFound."""
        ...
