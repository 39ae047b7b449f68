"""Where API tokens and the sessions of the administration pages are kept (ADM-6). Never their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.api_token import ApiToken, Kind

MOST_TOKENS = 100
"""Of one account."""
MOST_SESSIONS = 20
"""Of one account; another ends the one that was seen longest ago."""


class ApiTokens(Protocol):
    """Reading."""

    async def api_token(self, token_id: str) -> ApiToken | None:
        """None if there is none, also when its account has gone. Cheap: asked for each request."""
        ...

    async def api_tokens(self, kind: Kind) -> Sequence[ApiToken]:
        """All, by the time they were made."""
        ...


class ApiTokensWriter(Protocol):
    """Changes; durable when a call returns, seen by every process of the node at its next look."""

    async def add_api_token(self, token: ApiToken) -> None:
        """Sessions that are over, at ``token.made_at``, go. Raises NotFound (the account), AlreadyExists (a token of this name
        of this account), Permanent (it has too many)."""
        ...

    async def seen_api_token(self, token_id: str, at: float, expires_at: float) -> None:
        """Notes that it was used, and moves its end. One that has gone stays gone."""
        ...

    async def delete_api_token(self, token_id: str) -> bool:
        """Whether there was one."""
        ...
