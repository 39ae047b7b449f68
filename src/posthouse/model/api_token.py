"""Keys that open the web faces beside passwords: API tokens, and the sessions of the administration pages (ADM-6).

A token's text is ``ph_ID_SECRET``. Only a keyed digest of the secret is kept; the text is shown once. Scopes narrow what its
owner may do: ``queue`` (a noun), ``queue:list`` (one operation), ``role:reader`` (no more than that role). Without scopes it
may all that its owner may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from posthouse.base.errors import BadValue
from posthouse.model.account import Role

Kind = Literal["token", "session"]
PREFIX = "ph"
MAX_TEXT = 128
MAX_SCOPES = 100
_TEXT = re.compile(r"ph_([a-z2-7]{16})_([A-Za-z0-9_-]{43})")
_SCOPE = re.compile(r"[a-z][a-z0-9]{0,30}(?::[a-z][a-z0-9-]{0,30})?")
_ROLE = "role:"


@dataclass(frozen=True, slots=True)
class ApiToken:
    """``expires_at`` 0: never. ``seen_at`` moves for sessions alone. ``mark``: a digest of what its owner logged in with, ""
    for tokens; a session ends when it no longer fits."""

    token_id: str
    kind: Kind
    account_id: int
    name: str
    digest: bytes = field(repr=False)
    scopes: tuple[str, ...] = ()
    made_at: float = 0.0
    expires_at: float = 0.0
    seen_at: float = 0.0
    mark: str = field(default="", repr=False)

    def is_over(self, now: float) -> bool:
        """Whether its time has passed."""
        return bool(self.expires_at) and now >= self.expires_at


def token_text(token_id: str, secret: str) -> str:
    """As its owner keeps it."""
    return f"{PREFIX}_{token_id}_{secret}"


def parsed_token(text: str) -> tuple[str, str] | None:
    """Id and secret of a token's text; None if it is none."""
    match = _TEXT.fullmatch(text) if len(text) <= MAX_TEXT else None
    return (match[1], match[2]) if match else None


def checked_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """In lower case and each once. Raises BadValue."""
    normal = tuple(dict.fromkeys(scope.lower() for scope in scopes))
    if len(normal) > MAX_SCOPES:
        raise BadValue(f"at most {MAX_SCOPES} scopes")
    for scope in normal:
        if not _SCOPE.fullmatch(scope) or (scope.startswith(_ROLE) and scope.removeprefix(_ROLE) not in get_args(Role)):
            raise BadValue(f"{scope!r} is no scope; scopes are NOUN, NOUN:VERB and role:ROLE")
    return normal


def covers(scopes: Sequence[str], noun: str, verb: str) -> bool:
    """Whether the nouns and verbs among the scopes, if there are any, let this operation through."""
    named = [scope for scope in scopes if not scope.startswith(_ROLE)]
    return not named or noun in named or f"{noun}:{verb}" in named


def role_limits(scopes: Sequence[str]) -> tuple[Role, ...]:
    """The roles among the scopes."""
    return tuple(cast(Role, scope.removeprefix(_ROLE)) for scope in scopes if scope.startswith(_ROLE))
