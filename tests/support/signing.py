"""Keys, messages and signatures for tests of mail authentication; dkimpy is the oracle."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from posthouse.formats.mime import summarise
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.sign import Signer, signature_value
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.dkim.verify import Signed
from posthouse.mailauth.message import Message

NOW = 1_790_000_000.0


class Keypair:
    """One key in the forms that we, DNS and dkimpy want."""

    def __init__(self, kind: str, bits: int = 2048) -> None:
        key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, bits)
        self.kind = kind
        self.der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        if isinstance(key, Ed25519PrivateKey):
            raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            self.dkimpy = base64.b64encode(raw)
            public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            self.dkimpy = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.record = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"

    def signer(self, domain: str = "example.org", selector: str = "s1") -> Signer:
        return Signer(domain, selector, self.der)


@cache
def keypair(kind: str, bits: int = 2048) -> Keypair:
    return Keypair(kind, bits)


def view(content: bytes) -> Message:
    return Message.of(content, summarise(content))


def signed(content: bytes) -> Signed:
    message = view(content)
    return Signed(Fields(message), Bodies(message.body))


def with_signature(content: bytes, signer: Signer, now: float = NOW) -> bytes:
    parts = signed(content)
    return f"DKIM-Signature: {signature_value(signer, parts.fields, parts.bodies, now)}\r\n".encode() + content


class Texts:
    """A resolver that knows TXT records only."""

    def __init__(self, **records: str) -> None:
        self.records = {name.lower(): text for name, text in records.items()}
        self.asked: list[str] = []

    async def txt(self, name: str) -> list[str]:
        self.asked.append(name)
        text = self.records.get(name.lower().rstrip("."))
        return [] if text is None else [text]
