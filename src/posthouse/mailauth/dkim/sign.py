"""Signing (RFC 6376 §5): relaxed/relaxed, the fields that matter, each once more than it stands there (over-signing).

Serves DKIM-Signature here and the ARC-Message-Signature of ``arc_seal``.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_private_key

from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.signed_header import Fields

OVERSIGNED = ("from", "to", "cc", "subject", "date", "reply-to", "message-id", "mime-version", "content-type")
ALSO_SIGNED = (
    "sender", "in-reply-to", "references", "content-transfer-encoding", "content-id", "content-description",
    "resent-date", "resent-from", "resent-to", "resent-cc", "resent-message-id",
    "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post", "list-owner",
    "list-archive",
)  # fmt: skip

_SHA256 = Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Signer:
    """A key to sign with. ``private_key`` is PKCS #8 in DER."""

    domain: str
    selector: str
    private_key: bytes

    @property
    def algorithm(self) -> str:
        """The a= of its signatures."""
        return "rsa-sha256" if isinstance(_private(self.private_key), RSAPrivateKey) else "ed25519-sha256"

    def sign(self, digest: bytes) -> str:
        """The base64 of a signature over a SHA-256 digest (RSA: about 0.7 ms; Ed25519: 0.05)."""
        key = _private(self.private_key)
        if isinstance(key, RSAPrivateKey):
            return base64.b64encode(key.sign(digest, padding.PKCS1v15(), _SHA256)).decode()
        return base64.b64encode(key.sign(digest)).decode()


@lru_cache(maxsize=256)
def _private(octets: bytes) -> RSAPrivateKey | Ed25519PrivateKey:
    key = load_der_private_key(octets, password=None)
    assert isinstance(key, (RSAPrivateKey, Ed25519PrivateKey)), "keys are checked when they are made"
    return key


def signed_names(fields: Fields, extra: Sequence[str] = ()) -> list[str]:
    """The h= of a new signature: every instance of what matters, and once more of what must not be added."""
    present = [field.name for field in fields.message.fields]
    names: list[str] = []
    for name in OVERSIGNED:
        names += [name] * (present.count(name) + 1)
    for name in (*ALSO_SIGNED, *extra):
        names += [name] * present.count(name)
    return names


def signature_value(signer: Signer, fields: Fields, bodies: Bodies, now: float) -> str:
    """The value of a DKIM-Signature field, one line; its spaces are where it may be folded."""
    names = signed_names(fields)
    value = (
        f"v=1; a={signer.algorithm}; c=relaxed/relaxed; d={signer.domain}; s={signer.selector}; t={int(now)};"
        f" h={spaced_names(names)}; bh={base64.b64encode(bodies.sha256('relaxed')).decode()}; b="
    )
    own = f"DKIM-Signature: {value}".encode()
    return value + spaced(signer.sign(fields.digest(names, "relaxed", own, len("DKIM-Signature:"))))


def spaced_names(names: Sequence[str]) -> str:
    """A list of names with a space now and then, so that it can be folded."""
    groups = [names[start : start + 5] for start in range(0, len(names), 5)]
    return ": ".join(":".join(group) for group in groups)


def spaced(text: str, width: int = 70) -> str:
    """Base64 with spaces where it may be folded."""
    return " ".join(text[start : start + width] for start in range(0, len(text), width))
