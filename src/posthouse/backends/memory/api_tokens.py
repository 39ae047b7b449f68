"""API tokens in memory, for tests: reads and writes in one object (interfaces/api_tokens.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posthouse.backends.api_token_checks import too_many, twice
from posthouse.base.errors import NotFound
from posthouse.interfaces.api_tokens import MOST_SESSIONS, MOST_TOKENS
from posthouse.interfaces.directory import Directory
from posthouse.model.api_token import ApiToken, Kind


class MemoryApiTokens:
    """Both sides."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._tokens: dict[str, ApiToken] = {}

    async def api_token(self, token_id: str) -> ApiToken | None:
        found = self._tokens.get(token_id)
        if found is None or await self._directory.account_by_id(found.account_id) is None:
            return None
        return found

    async def api_tokens(self, kind: Kind) -> Sequence[ApiToken]:
        found = [each for each in self._tokens.values() if each.kind == kind]
        present = [each for each in found if await self.api_token(each.token_id)]
        return sorted(present, key=lambda each: (each.made_at, each.token_id))

    async def add_api_token(self, token: ApiToken) -> None:
        if await self._directory.account_by_id(token.account_id) is None:
            raise NotFound("there is no such account")
        own = [each for each in await self.api_tokens(token.kind) if each.account_id == token.account_id]
        if token.kind == "token":
            if token.name in [each.name for each in own]:
                raise twice(token.name)
            if len(own) >= MOST_TOKENS:
                raise too_many()
        else:
            over = [each for each in self._tokens.values() if each.kind == "session" and each.is_over(token.made_at)]
            oldest = sorted((each for each in own if each not in over), key=lambda each: (each.seen_at, each.token_id))
            for each in [*over, *oldest[: max(len(oldest) - MOST_SESSIONS + 1, 0)]]:
                del self._tokens[each.token_id]
        self._tokens[token.token_id] = token

    async def seen_api_token(self, token_id: str, at: float, expires_at: float) -> None:
        if token_id in self._tokens:
            self._tokens[token_id] = replace(self._tokens[token_id], seen_at=at, expires_at=expires_at)

    async def delete_api_token(self, token_id: str) -> bool:
        return self._tokens.pop(token_id, None) is not None
