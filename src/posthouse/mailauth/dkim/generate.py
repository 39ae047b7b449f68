"""Making key pairs for signing (RFC 6376 §3.3, RFC 8301 §3.2, RFC 8463). Slow for RSA: some 0.1 s; not for an event loop."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from posthouse.model.signing_key import Algorithm

EXPONENT = 65537


def generate(algorithm: Algorithm, bits: int) -> tuple[bytes, str]:
    """The private key as PKCS #8 in DER, and the p= to publish. ``bits`` is for RSA."""
    if algorithm == "ed25519-sha256":
        ed = Ed25519PrivateKey.generate()
        raw = ed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return ed.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), base64.b64encode(raw).decode()
    rsa = generate_private_key(EXPONENT, bits)
    public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return rsa.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), base64.b64encode(public).decode()
