"""API tokens and web sessions: made, found by their text, ended (ADM-6).

A secret has 256 random bits, so its digest needs no slow hash: HMAC-SHA-256 under a key of the node, compared in constant time.
A copy of the database alone opens nothing. Who may log in at all is ``authenticate``'s affair. If the directory cannot be read,
the errors pass: closed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable

from posthouse.base.clock import Clock
from posthouse.interfaces.api_tokens import ApiTokens, ApiTokensWriter
from posthouse.model.account import Account
from posthouse.model.api_token import ApiToken, Kind, parsed_token, token_text

_PURPOSE = b"api tokens"
_ID_OCTETS = 10
_SECRET_OCTETS = 32
SEEN_STEP = 10
"""A session's end is moved when this part of its idle time has passed since it was last moved: few writes."""


class KeyRing:
    """``node_secret``: the same in all processes of the node. ``random`` gives so many random octets."""

    def __init__(
        self,
        reader: ApiTokens,
        writer: ApiTokensWriter,
        clock: Clock,
        node_secret: bytes,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._clock = clock
        self._key = hmac.digest(node_secret, _PURPOSE, hashlib.sha256)
        self._random = random

    async def issue(
        self, account: Account, name: str, scopes: tuple[str, ...] = (), *, kind: Kind = "token", lifetime_s: float = 0.0
    ) -> tuple[str, ApiToken]:
        """A new one; its text, which nobody can tell again, and what is kept. ``lifetime_s`` 0: for ever. Raises MailError."""
        token_id = base64.b32encode(self._random(_ID_OCTETS)).decode().lower()
        secret = base64.urlsafe_b64encode(self._random(_SECRET_OCTETS)).decode().rstrip("=")
        now = self._clock.now()
        token = ApiToken(
            token_id=token_id,
            kind=kind,
            account_id=account.account_id,
            name=name,
            digest=self._digest(token_id, secret),
            scopes=scopes,
            made_at=now,
            expires_at=now + lifetime_s if lifetime_s else 0.0,
            seen_at=now,
            mark=self._mark(account) if kind == "session" else "",
        )
        await self.writer.add_api_token(token)
        return token_text(token_id, secret), token

    async def find(self, text: str, kind: Kind) -> ApiToken | None:
        """What the text opens; None if nothing, also when its time is over."""
        parts = parsed_token(text)
        token = await self.reader.api_token(parts[0]) if parts is not None else None
        if parts is None or token is None or token.kind != kind:
            return None
        right = hmac.compare_digest(self._digest(*parts), token.digest)
        return token if right and not token.is_over(self._clock.now()) else None

    def still_fits(self, session: ApiToken, account: Account) -> bool:
        """Whether the account logs in with what it did when the session began: a new password ends all sessions, and so
        does another role."""
        return hmac.compare_digest(self._mark(account), session.mark)

    async def seen(self, session: ApiToken, idle_s: float, longest_s: float) -> None:
        """A session is in use: it ends ``idle_s`` from now on, and ``longest_s`` after its beginning in any case."""
        now = self._clock.now()
        if now - session.seen_at >= idle_s / SEEN_STEP:
            await self.writer.seen_api_token(session.token_id, now, min(now + idle_s, session.made_at + longest_s))

    def form_key(self, session: ApiToken, form: str) -> str:
        """What a form of this session carries to show that it is ours."""
        return self.sealed(f"form {session.token_id} {form}")

    def sealed(self, text: str) -> str:
        """A digest of ``text`` that nobody else can make."""
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()

    def _digest(self, token_id: str, secret: str) -> bytes:
        return hmac.digest(self._key, f"token {token_id} {secret}".encode(), hashlib.sha256)

    def _mark(self, account: Account) -> str:
        return self.sealed(f"mark {account.account_id} {account.role} {account.secret} {account.scram}")[:32]
