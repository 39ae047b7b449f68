"""Tokens that only their issuer can read: it is asked about each (RFC 7662). What keys can tell about is left to them.

Bounded: a few questions at a time, a right token is not asked about again for a minute, and after a failure nobody asks for
some seconds. Closed: no answer, no login (Temporary).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from posthouse.backends.tokens import MAX_TOKEN, is_signed, judged
from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import Permanent, Temporary
from posthouse.interfaces.tokens import TokenRefused, TokenVerifier
from posthouse.model.settings import TokenSettings

ANSWER_BYTES = 64 << 10
AT_ONCE = 16
REMEMBER_S = 60.0
MOST = 10_000
PAUSE_S = 5.0

_log = log.get("tokens")


class IntrospectingVerifier:
    """``interfaces.tokens.TokenVerifier``. ``ask`` posts a form to a URL and gives the answer; it raises Temporary, and
    Permanent if the issuer does not take the form."""

    def __init__(
        self,
        settings: Callable[[], TokenSettings],
        signed: TokenVerifier,
        ask: Callable[[str, Mapping[str, str], int], Awaitable[bytes]],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._signed = signed
        self._ask = ask
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._known: OrderedDict[bytes, tuple[Mapping[str, Any], float]] = OrderedDict()
        self._rest_until_s = 0.0

    async def login(self, token: str) -> str:
        settings = self._settings()
        if not settings.introspection or (settings.keys and is_signed(token)):
            return await self._signed.login(token)
        if not settings.on:
            raise TokenRefused("logins with tokens are off")
        if len(token) > MAX_TOKEN:
            raise TokenRefused("too long")
        claims = await self._claims(token, settings)
        if claims.get("iss", settings.issuer) != settings.issuer:
            raise TokenRefused("of another issuer")
        # The issuer says that it holds now; an end it need not tell (RFC 7662 §2.2).
        return judged({"exp": float("inf"), **claims}, settings, self._clock.now())

    async def _claims(self, token: str, settings: TokenSettings) -> Mapping[str, Any]:
        digest = hashlib.blake2b(f"{settings.introspection}\0{token}".encode(), digest_size=32).digest()
        known, until_s = self._known.get(digest, ({}, 0.0))
        if self._clock.steady() < until_s:
            return known
        claims = await self._asked(token, settings)
        if claims.get("active") is not True:
            raise TokenRefused("not active, says its issuer")
        self._known[digest] = (claims, self._clock.steady() + REMEMBER_S)
        self._known.move_to_end(digest)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return claims

    async def _asked(self, token: str, settings: TokenSettings) -> Mapping[str, Any]:
        if self._clock.steady() < self._rest_until_s:
            raise _closed()
        asking = False
        try:
            async with asyncio.timeout(settings.timeout_s), self._turns:
                asking = True
                form = {"token": token, "token_type_hint": "access_token"}
                said = json.loads(await self._ask(settings.introspection, form, ANSWER_BYTES))
            if not isinstance(said, dict):
                raise ValueError("no JSON object")
        except Permanent as error:  # strangers write tokens: one that the issuer does not take closes nothing to others
            raise TokenRefused("not taken by its issuer") from error
        except (Temporary, TimeoutError, ValueError, RecursionError) as error:
            if not asking:  # the turn did not come, which is not the issuer's fault
                raise _closed() from None
            self._rest_until_s = self._clock.steady() + PAUSE_S
            why = error.cause if isinstance(error, Temporary) and error.cause else type(error).__name__
            _log.warning("issuer not asked", why=why)
            raise _closed() from None
        return said


def _closed() -> Temporary:
    return Temporary(
        "Logins with tokens are not possible at the moment", code=454, enhanced="4.7.0", cause="no answer of the issuer"
    )
