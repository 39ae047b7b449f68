"""Signed access tokens (JWT: RFC 7519, RFC 9068) of the one issuer that is set, judged by its public keys.

Strict where tokens are attacked (RFC 8725): only asymmetric algorithms, only with keys of the right kind from the issuer's own
set, whatever the token's header says about keys; issuer, audience, expiry and scope must be there and right.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

from posthouse.backends.token_keys import IssuerKeys, PublicKey
from posthouse.base.clock import Clock
from posthouse.interfaces.tokens import TokenRefused
from posthouse.model.settings import TokenSettings

ALGORITHMS: Mapping[str, str] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""What tokens may be signed with, and the kind of key for it. Nothing symmetric: a public key must never be a secret."""
MAX_TOKEN = 8192
MAX_LOGIN = 320
_KINDS = ("", "jwt", "at+jwt", "application/at+jwt")


class _Allowed(JWSRegistry):
    """Without the library's warning about the name EdDSA, which issuers go on to use (RFC 9864)."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()) or name not in self.algorithms:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


class JwtVerifier:
    """``interfaces.tokens.TokenVerifier``."""

    def __init__(self, settings: Callable[[], TokenSettings], keys: IssuerKeys, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock

    async def login(self, token: str) -> str:
        settings = self._settings()
        if not settings.on:
            raise TokenRefused("logins with tokens are off")
        header = _header(token)
        algorithm, key_id = header.get("alg"), header.get("kid", "")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or not isinstance(key_id, str):
            raise TokenRefused("algorithm not allowed")
        if "crit" in header or str(header.get("typ", "")).lower() not in _KINDS:
            raise TokenRefused("not an access token")
        # Before the keys are asked for: what is not this issuer's anyway costs it nothing.
        _check_issuer(_claims(token.split(".")[1]), settings)
        candidates = [key for key in await self._keys.candidates(key_id) if _fits(key, algorithm)]
        payload = await asyncio.to_thread(_verified, token, candidates, algorithm)
        if payload is None:
            raise TokenRefused("no key of the issuer fits the signature")
        claims = _json(payload)
        _check_issuer(claims, settings)
        return judged(claims, settings, self._clock.now())


def is_signed(token: str) -> bool:
    """Whether it looks like a token that keys can tell about."""
    try:
        return "alg" in _header(token)
    except TokenRefused:
        return False


def judged(claims: Mapping[str, Any], settings: TokenSettings, now: float) -> str:
    """Whom the issuer's claims let in. Raises TokenRefused."""
    _check_times(claims, now, settings.leeway_s)
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if not any(isinstance(each, str) and each in settings.audience for each in named):
        raise TokenRefused("for another audience")
    if settings.scope and settings.scope not in _scopes(claims):
        raise TokenRefused("without the scope")
    login = claims.get(settings.claim)
    if not isinstance(login, str) or not 0 < len(login) <= MAX_LOGIN or not login.isprintable():
        raise TokenRefused(f"without {settings.claim}")
    if settings.claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise TokenRefused("the address is not verified by the issuer")
    return login


def _check_issuer(claims: Mapping[str, Any], settings: TokenSettings) -> None:
    if claims.get("iss") != settings.issuer:
        raise TokenRefused("of another issuer")


def _check_times(claims: Mapping[str, Any], now: float, leeway_s: float) -> None:
    """RFC 7519 §4.1.4, §4.1.5. A token without an end is none."""
    end, begin = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(end, (int, float)) or not isinstance(begin, (int, float)):
        raise TokenRefused("without times")
    if not now - leeway_s < end:
        raise TokenRefused("expired")
    if not begin <= now + leeway_s:
        raise TokenRefused("not valid yet")


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """``scope`` (RFC 8693 §4.2), or ``scp`` as Microsoft writes it."""
    said = claims.get("scope", claims.get("scp", ""))
    if isinstance(said, list):
        return [each for each in said if isinstance(each, str)]
    return said.split() if isinstance(said, str) else []


def _fits(key: PublicKey, algorithm: str) -> bool:
    return key.key_type == ALGORITHMS[algorithm] and key.get("alg", algorithm) == algorithm


def _verified(token: str, keys: Sequence[PublicKey], algorithm: str) -> bytes | None:
    """What was signed, if one of the keys fits."""
    registry = _Allowed(algorithms=[algorithm], strict_check_header=False)
    for key in keys:
        try:
            return jws.deserialize_compact(token, key, registry=registry).payload
        except (JoseError, ValueError, TypeError):
            continue
    return None


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
        raise TokenRefused("not a signed token")
    return _claims(token.split(".")[0])


def _claims(part: str) -> Mapping[str, Any]:
    try:
        return _json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        raise TokenRefused("not a signed token") from None


def _json(octets: bytes | None) -> Mapping[str, Any]:
    try:
        said = json.loads(octets or b"")
    except (ValueError, RecursionError):
        raise TokenRefused("not a signed token") from None
    if not isinstance(said, dict):
        raise TokenRefused("not a signed token")
    return said
