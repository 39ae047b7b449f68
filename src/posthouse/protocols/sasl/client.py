"""PLAIN, LOGIN and SCRAM-SHA-256 as a client, for smart hosts and for collecting mail elsewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from typing import Protocol

from posthouse.protocols.sasl.saslprep import saslprep
from posthouse.protocols.sasl.scram import (
    MAX_ITERATIONS,
    MAX_MESSAGE,
    MIN_ITERATIONS,
    attributes,
    decode64,
    digest,
    salted_password,
    to_saslname,
    xor,
)


class SaslError(Exception):
    """The server does not keep to the mechanism, or could not prove that it knows the password."""


class SaslClient(Protocol):
    """One exchange. When the server reports success, ``done`` must be true, or it is not the server that it claims to be."""

    @property
    def name(self) -> str: ...

    @property
    def done(self) -> bool: ...

    def initial(self) -> bytes | None:
        """The initial response; None if the mechanism has none."""
        ...

    def step(self, challenge: bytes) -> bytes:
        """The answer to a challenge. Raises SaslError."""
        ...


class PlainClient:
    """RFC 4616."""

    name = "PLAIN"
    done = True

    def __init__(self, login: str, password: str, authzid: str = "") -> None:
        self._message = b"\0".join(part.encode() for part in (authzid, login, password))

    def initial(self) -> bytes | None:
        return self._message

    def step(self, challenge: bytes) -> bytes:
        if challenge:
            raise SaslError("PLAIN has no challenges")
        return self._message


class LoginClient:
    """Two prompts, whatever they say."""

    name = "LOGIN"

    def __init__(self, login: str, password: str) -> None:
        self._answers = [password.encode(), login.encode()]

    @property
    def done(self) -> bool:
        return not self._answers

    def initial(self) -> bytes | None:
        return None

    def step(self, challenge: bytes) -> bytes:
        if not self._answers:
            raise SaslError("LOGIN has two prompts only")
        return self._answers.pop()


class ScramClient:
    """RFC 5802 without channel binding."""

    name = "SCRAM-SHA-256"

    def __init__(self, login: str, password: str, authzid: str = "", random: Callable[[int], bytes] = os.urandom) -> None:
        self._password = password
        self._header = f"n,{'a=' + to_saslname(authzid) if authzid else ''},".encode()
        self._nonce = base64.b64encode(random(18)).decode()
        self._bare = f"n={to_saslname(saslprep(login))},r={self._nonce}".encode()
        self._signature = b""
        self._stage = 0
        self.done = False

    def initial(self) -> bytes | None:
        self._stage = 1
        return self._header + self._bare

    def step(self, challenge: bytes) -> bytes:
        if len(challenge) > MAX_MESSAGE:
            raise SaslError("SCRAM message too long")
        try:
            if self._stage == 1:
                return self._final(challenge)
            if self._stage == 2:
                return self._verify(challenge)
        except ValueError as error:
            raise SaslError(f"malformed SCRAM message: {error}") from None
        raise SaslError("the SCRAM exchange is over")

    def _final(self, first: bytes) -> bytes:
        fields = attributes(first)
        nonce, salt, count = fields.get("r", ""), decode64(fields.get("s", "")), fields.get("i", "")
        iterations = int(count) if count.isascii() and count.isdigit() and len(count) < 9 else 0
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce) or not salt:
            raise ValueError("wrong nonce or salt")
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise ValueError("unacceptable iteration count")
        salted = salted_password(self._password, salt, iterations)
        without_proof = b"c=" + base64.b64encode(self._header) + b",r=" + nonce.encode()
        message = self._bare + b"," + first + b"," + without_proof
        client_key = digest(salted, b"Client Key")
        proof = xor(client_key, digest(hashlib.sha256(client_key).digest(), message))
        self._signature = digest(digest(salted, b"Server Key"), message)
        self._stage = 2
        return without_proof + b",p=" + base64.b64encode(proof)

    def _verify(self, final: bytes) -> bytes:
        fields = attributes(final)
        if not hmac.compare_digest(decode64(fields.get("v", "")), self._signature):
            raise SaslError("the server does not know the password")
        self._stage = 3
        self.done = True
        return b""


def choose_client(
    offered: Iterable[str], login: str, password: str, *, authzid: str = "", plaintext: bool = True
) -> SaslClient | None:
    """The best machine for the mechanisms that the server offers; None if there is none.

    ``plaintext``: whether PLAIN and LOGIN may be used (the connection is encrypted, or it was set so).
    """
    names = {name.upper() for name in offered}
    if "SCRAM-SHA-256" in names:
        return ScramClient(login, password, authzid)
    if plaintext and "PLAIN" in names:
        return PlainClient(login, password, authzid)
    return LoginClient(login, password) if plaintext and "LOGIN" in names else None
