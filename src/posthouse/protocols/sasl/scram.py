"""SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677): the key arithmetic, and the server's machine.

The server never sees the password and keeps only ``stored_key`` and ``server_key``. Comparisons take the same time
whatever differs. For a login that does not exist the driver gives a made-up secret, so that nothing can be told apart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping

from posthouse.protocols.sasl.saslprep import saslprep
from posthouse.protocols.sasl.steps import MAX_LOGIN, Challenge, Done, Failed, NeedScram, SaslStep

MAX_MESSAGE = 4096
MIN_ITERATIONS = 4096
MAX_ITERATIONS = 600_000
"""What our client computes at most for a server that it does not know: about 0.3 s of CPU."""


def digest(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256."""
    return hmac.digest(key, data, "sha256")


def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Hi(): slow on purpose, milliseconds for thousands of iterations, so off the loop. Raises ValueError (SASLprep)."""
    return hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)


def make_scram(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """``stored_key`` and ``server_key`` of a password. Slow on purpose. Raises ValueError (SASLprep)."""
    salted = salted_password(password, salt, iterations)
    return hashlib.sha256(digest(salted, b"Client Key")).digest(), digest(salted, b"Server Key")


def xor(left: bytes, right: bytes) -> bytes:
    """Octet by octet; both have the same length."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def attributes(message: bytes) -> dict[str, str]:
    """``a=1,b=2`` as a mapping. Raises ValueError on anything else, on doubles, and on a mandatory extension ``m=``."""
    out: dict[str, str] = {}
    for part in message.decode().split(","):
        key, equals, value = part.partition("=")
        if len(key) != 1 or not key.isascii() or not key.isalpha() or not equals or key in out or key == "m":
            raise ValueError("malformed SCRAM message")
        out[key] = value
    return out


def decode64(text: str) -> bytes:
    """Raises ValueError."""
    return binascii.a2b_base64(text.encode(), strict_mode=True)


def from_saslname(text: str) -> str:
    """Undoes ``=2C`` and ``=3D``. Raises ValueError."""
    if text.replace("=2C", "").replace("=3D", "").count("="):
        raise ValueError("malformed name")
    return text.replace("=2C", ",").replace("=3D", "=")


def to_saslname(text: str) -> str:
    """A login as SCRAM writes it."""
    return text.replace("=", "=3D").replace(",", "=2C")


class ScramServer:
    """``start`` or ``step`` gives ``NeedScram``; the driver calls ``secret``; two more steps follow.

    The server's last message goes out as a challenge, because SMTP and POP3 have no room for it in the success reply; the
    client answers it with an empty message (RFC 4422 §5).
    """

    def __init__(
        self,
        *,
        plus: bool = False,
        bindings: Mapping[str, bytes] | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.name = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        self._plus = plus
        self._bindings = bindings or {}
        self._random = random
        self._next: Callable[[bytes], SaslStep] = self._client_first
        self._login = self._authzid = self._nonce = self._client_nonce = ""
        self._binding = b""
        self._auth_message = b""
        self._stored_key = self._server_key = b""

    def start(self, initial: bytes | None) -> SaslStep:
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, data: bytes) -> SaslStep:
        if len(data) > MAX_MESSAGE:
            return Failed("SCRAM message too long")
        try:
            return self._next(data)
        except ValueError:
            return Failed("malformed SCRAM message")

    def _client_first(self, data: bytes) -> SaslStep:
        flag, authzid, bare = data.decode().split(",", 2)
        self._check_binding(flag)
        if authzid:
            if not authzid.startswith("a="):
                raise ValueError("malformed authorization identity")
            self._authzid = from_saslname(authzid[2:])
        fields = attributes(bare.encode())
        if list(fields)[:2] != ["n", "r"] or not _is_nonce(fields["r"]):
            raise ValueError("malformed first message")
        self._login = saslprep(from_saslname(fields["n"]))
        if len(self._login.encode()) > MAX_LOGIN or len(self._authzid.encode()) > MAX_LOGIN:
            raise ValueError("login too long")
        self._client_nonce = fields["r"]
        self._binding = f"{flag},{authzid},".encode() + (self._bindings[flag[2:]] if self._plus else b"")
        self._auth_message = bare.encode()
        self._next = self._out_of_order
        return NeedScram(self._login)

    def _check_binding(self, flag: str) -> None:
        """RFC 5802 §6: ``y`` from a client that saw no -PLUS although it was offered means that someone took it out."""
        if self._plus:
            if not flag.startswith("p=") or flag[2:] not in self._bindings:
                raise ValueError("unknown channel binding")
        elif flag not in ("n", "y") or (flag == "y" and self._bindings):
            raise ValueError("channel binding mismatch")

    def secret(self, salt: bytes, iterations: int, stored_key: bytes, server_key: bytes) -> Challenge:
        """What the driver found for the login; gives the server's first message."""
        self._stored_key = stored_key
        self._server_key = server_key
        self._nonce = self._client_nonce + base64.b64encode(self._random(18)).decode()
        first = f"r={self._nonce},s={base64.b64encode(salt).decode()},i={iterations}".encode()
        self._auth_message += b"," + first
        self._next = self._client_final
        return Challenge(first)

    def _client_final(self, data: bytes) -> SaslStep:
        without_proof, found, proof = data.rpartition(b",p=")
        fields = attributes(without_proof)
        if not found or list(fields)[:2] != ["c", "r"]:
            raise ValueError("malformed final message")
        self._auth_message += b"," + without_proof
        signature = digest(self._stored_key, self._auth_message)
        given = decode64(proof.decode())
        if len(given) != len(signature):
            raise ValueError("malformed proof")
        right = hmac.compare_digest(hashlib.sha256(xor(given, signature)).digest(), self._stored_key)
        bound = hmac.compare_digest(decode64(fields["c"]), self._binding)
        if not (right and bound and hmac.compare_digest(fields["r"].encode(), self._nonce.encode())):
            return Failed("wrong proof", self._login)
        self._next = self._acknowledged
        return Challenge(b"v=" + base64.b64encode(digest(self._server_key, self._auth_message)))

    def _acknowledged(self, data: bytes) -> SaslStep:
        if data:
            raise ValueError("nothing more was expected")
        self._next = self._out_of_order
        return Done(self._authzid, self._login)

    def _out_of_order(self, data: bytes) -> SaslStep:
        raise ValueError("the exchange is over or waits for its secret")


def _is_nonce(text: str) -> bool:
    return 8 <= len(text) <= 512 and text.isascii() and text.isprintable() and " " not in text
