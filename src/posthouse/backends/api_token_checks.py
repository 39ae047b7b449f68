"""What every backend says of API tokens that it does not take (interfaces/api_tokens.py)."""

from __future__ import annotations

from posthouse.base.errors import AlreadyExists, Permanent
from posthouse.interfaces.api_tokens import MOST_TOKENS


def twice(name: str) -> AlreadyExists:
    """A name that the account's tokens have already."""
    return AlreadyExists(f"this account has a token {name!r} already")


def too_many() -> Permanent:
    """One more than an account may have."""
    return Permanent(f"an account has at most {MOST_TOKENS} tokens", enhanced="5.3.0", imap_code="LIMIT")
