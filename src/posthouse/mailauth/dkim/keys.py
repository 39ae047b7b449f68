"""Public keys: the record that a selector publishes (RFC 6376 §3.6.1, RFC 8463 §4), and checking a signature with it.

Keys are kept parsed by the text of their records, so a busy signer's key is read once.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from posthouse.mailauth.dkim import tags

MIN_RSA_BITS = 1024
MAX_RSA_BITS = 8192
MAX_RECORD = 8192

_PKCS1_HEADER = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256 = Prehashed(hashes.SHA256())


class KeyProblem(Exception):
    """No usable key: the text says why. RFC 6376 §6.1.2 calls all of these permanent."""


@dataclass(frozen=True, slots=True)
class Key:
    """``strict``: i= must be exactly d= (t=s). ``testing``: t=y."""

    public: RSAPublicKey | Ed25519PublicKey
    bits: int
    testing: bool
    strict: bool

    @property
    def kind(self) -> str:
        """``rsa`` or ``ed25519``: what a signature's a= must begin with."""
        return "rsa" if isinstance(self.public, RSAPublicKey) else "ed25519"

    def fits(self, digest: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over the SHA-256 ``digest`` (RFC 8463 §3: Ed25519 signs the digest)."""
        try:
            if isinstance(self.public, RSAPublicKey):
                self.public.verify(signature, digest, padding.PKCS1v15(), _SHA256)
            else:
                self.public.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def read(record: str) -> Key:
    """The key of a TXT record. Raises KeyProblem."""
    if len(record) > MAX_RECORD:
        raise KeyProblem("the key record is too long")
    try:
        found = tags.parse(record)
    except tags.TagError as error:
        raise KeyProblem(f"invalid key record: {error}") from None
    if found.get("v", "DKIM1") != "DKIM1" or ("v" in found and next(iter(found)) != "v"):
        raise KeyProblem("the key record has another version")
    if "p" not in found:
        raise KeyProblem("the key record has no key")
    if not found["p"]:
        raise KeyProblem("the key is revoked")
    if "h" in found and "sha256" not in tags.words(found["h"]):
        raise KeyProblem("the key is not for SHA-256")
    if not {"*", "email"} & set(tags.words(found.get("s", "*"))):
        raise KeyProblem("the key is not for mail")
    flags = tags.words(found.get("t", ""))
    public, bits = _public(found.get("k", "rsa").lower(), found["p"])
    return Key(public, bits, testing="y" in flags, strict="s" in flags)


def choose(records: list[str]) -> Key:
    """The key among a selector's TXT records: those that say v=DKIM1 first. Raises KeyProblem."""
    if not records:
        raise KeyProblem("no key is published")
    ordered = sorted(records[:5], key=lambda record: not record.lstrip().startswith("v=DKIM1"))
    problem = KeyProblem("no key is published")
    for number, record in enumerate(ordered):
        try:
            return read(record)
        except KeyProblem as error:
            problem = error if number == 0 else problem
    raise problem


def _public(kind: str, text: str) -> tuple[RSAPublicKey | Ed25519PublicKey, int]:
    try:
        octets = base64.b64decode(tags.folded(text), validate=True)
    except (binascii.Error, ValueError):
        raise KeyProblem("the key is not base64") from None
    if kind == "ed25519":
        if len(octets) != 32:
            raise KeyProblem("an Ed25519 key has 32 octets")
        return Ed25519PublicKey.from_public_bytes(octets), 256
    if kind != "rsa":
        raise KeyProblem(f"unknown kind of key {kind[:20]!r}")
    key = _rsa(octets)
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise KeyProblem(f"an RSA key of {key.key_size} bits is not accepted")
    return key, key.key_size


def _rsa(octets: bytes) -> RSAPublicKey:
    """A SubjectPublicKeyInfo, or the bare RSAPublicKey that RFC 6376 speaks of (erratum 3017)."""
    for candidate in (octets, _wrapped(octets)):
        try:
            key = load_der_public_key(candidate)
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, RSAPublicKey):
            return key
    raise KeyProblem("the key is no RSA key")


def _wrapped(octets: bytes) -> bytes:
    return _der(0x30, _PKCS1_HEADER + _der(0x03, b"\0" + octets))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
