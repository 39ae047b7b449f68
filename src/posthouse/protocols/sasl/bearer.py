"""OAUTHBEARER (RFC 7628) and XOAUTH2 (as Google and Microsoft describe it) for servers: one message that carries a token.

The driver has the token judged. When it is refused, ``refuse`` gives the challenge that says so in JSON, the client answers
with whatever it likes, and only then has the exchange failed (RFC 7628 §3.2.3).
"""

from __future__ import annotations

import json
from typing import Literal

from posthouse.protocols.sasl.scram import from_saslname
from posthouse.protocols.sasl.steps import MAX_LOGIN, Challenge, CheckToken, Failed, SaslStep

MAX_TOKEN = 8192
_MAX_MESSAGE = MAX_TOKEN + 1024
_END = "\x01"

BearerName = Literal["OAUTHBEARER", "XOAUTH2"]


class BearerServer:
    """``start`` or ``step`` gives ``CheckToken``."""

    def __init__(self, name: BearerName) -> None:
        self.name: BearerName = name

    def start(self, initial: bytes | None) -> SaslStep:
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, data: bytes) -> SaslStep:
        if len(data) > _MAX_MESSAGE:
            return Failed(f"{self.name} message too long")
        try:
            text = data.decode()
            login, rest = _oauthbearer(text) if self.name == "OAUTHBEARER" else _xoauth2(text)
            return CheckToken(login, _token(rest), self.name)
        except ValueError:
            return Failed(f"malformed {self.name} message")

    def refuse(self, *, scope: str = "", configuration: str = "") -> Challenge:
        """What the client is told of a token that was refused: no more than that, and where and for what to get another one
        (RFC 7628 §3.2.2)."""
        if self.name == "XOAUTH2":
            return Challenge(json.dumps({"status": "401", "schemes": "bearer", "scope": scope}).encode())
        said = {"status": "invalid_token"}
        if scope:
            said["scope"] = scope
        if configuration:
            said["openid-configuration"] = configuration
        return Challenge(json.dumps(said).encode())


def _oauthbearer(text: str) -> tuple[str, str]:
    """Authorisation identity ("" if none), key-value pairs. Raises ValueError."""
    header, separator, rest = text.partition(_END)
    flag, authzid, nothing = header.split(",", 2)
    if not separator or nothing or flag not in ("n", "y"):
        raise ValueError("malformed header")
    if not authzid:
        return "", rest
    if not authzid.startswith("a="):
        raise ValueError("malformed authorization identity")
    return _name(from_saslname(authzid[2:])), rest


def _xoauth2(text: str) -> tuple[str, str]:
    header, separator, rest = text.partition(_END)
    if not separator or not header.startswith("user=") or len(header) == len("user="):
        raise ValueError("malformed header")
    return _name(header[len("user=") :]), rest


def _name(login: str) -> str:
    if len(login.encode()) > MAX_LOGIN or not login.isprintable():
        raise ValueError("no login")
    return login


def _token(pairs: str) -> str:
    """The token in ``auth=Bearer ...``, the only pair that matters here. Raises ValueError."""
    if not pairs.endswith(_END + _END):
        raise ValueError("no end")
    token = ""
    for pair in pairs[:-2].split(_END):
        key, found, value = pair.partition("=")
        if not found or not key.isascii() or not key.isalpha():
            raise ValueError("malformed pair")
        if key == "auth":
            scheme, _, given = value.partition(" ")
            given = given.strip(" ")
            if token or scheme.lower() != "bearer" or not given or len(given) > MAX_TOKEN or not _is_token(given):
                raise ValueError("no bearer token")
            token = given
    if not token:
        raise ValueError("no token")
    return token


def _is_token(text: str) -> bool:
    """b64token (RFC 6750 §2.1)."""
    bare = text.rstrip("=")
    return bool(bare) and bare.isascii() and all(char.isalnum() or char in "-._~+/" for char in bare)
