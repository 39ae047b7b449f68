"""An identity provider for tests: keys, a JWK set, tokens of every right and wrong kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

ISSUER, AUDIENCE = "https://id.example.test/", "posthouse"


class Issuer:
    """``set`` is what it publishes."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec"})
        self.okp = OKPKey.generate_key("Ed25519", {"kid": "okp"})
        self.keys: list[RSAKey | ECKey | OKPKey] = [self.rsa, self.ec, self.okp]

    def set(self) -> bytes:
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()

    def write(self, path: Path) -> None:
        path.write_bytes(self.set())

    def token(
        self, now: float, *, key: Any = None, algorithm: str = "RS256", header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """For jane, for an hour; ``changes`` to the claims, None takes one out."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": int(now) + 3600,
            "iat": int(now),
            "email": "jane@example.test",
            "scope": "openid mail",
        } | changes
        chosen = key or self.rsa
        words = {"alg": algorithm, "kid": chosen.kid, "typ": "at+jwt"} | (header or {})
        kept = {name: value for name, value in claims.items() if value is not None}
        head = {name: value for name, value in words.items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the name EdDSA, weak keys
            registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
            return jwt.encode(head, kept, chosen, registry=registry)

    def forged(self, now: float, *, algorithm: str, secret: bytes = b"", header: dict[str, Any] | None = None) -> str:
        """What libraries would not make: no signature, or one by a shared secret."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(now) + 3600, "email": "jane@example.test", "scope": "mail"}
        head = {"alg": algorithm, "kid": "rsa"} | (header or {})
        signed = ".".join(_b64(json.dumps(each).encode()) for each in (head, claims))
        signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b""
        return f"{signed}.{_b64(signature)}"


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def oauthbearer(token: str, user: str = "") -> bytes:
    identity = f"a={user}" if user else ""
    return f"n,{identity},\x01host=mx.example.test\x01port=143\x01auth=Bearer {token}\x01\x01".encode()


def xoauth2(token: str, user: str) -> bytes:
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
