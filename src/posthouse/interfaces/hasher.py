"""Password hashing: slow on purpose, so it runs off the event loop (DIR-6)."""

from __future__ import annotations

from typing import Protocol


class Hasher(Protocol):
    async def hash(self, password: str) -> str:
        """An argon2id hash in PHC form."""
        ...

    async def verify(self, secret: str, password: str) -> bool:
        """Whether ``password`` fits ``secret``; False for a malformed or empty secret, in about the same time."""
        ...
