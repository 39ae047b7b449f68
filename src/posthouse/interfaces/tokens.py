"""Access tokens of an identity provider, judged (RFC 6750, RFC 7519, RFC 9068)."""

from __future__ import annotations

from typing import Protocol


class TokenRefused(Exception):
    """The token does not hold. The text is for the log; it never has the token in it."""


class TokenVerifier(Protocol):
    async def login(self, token: str) -> str:
        """The address or login that a token is for.

        Raises TokenRefused; Temporary when the provider's keys cannot be had: closed, nobody gets in meanwhile.
        """
        ...
