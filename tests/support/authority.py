"""A certificate authority for tests: issues certificates for names, good and bad ones, and server contexts with them."""

from __future__ import annotations

import datetime
import hashlib
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Issued:
    """A certificate with its key. ``tlsa_ee`` is its record for DANE-EE, by the key's SHA-256."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, chain: list[x509.Certificate]) -> None:
        self.certificate = certificate
        self.key = key
        self.chain = chain

    @property
    def tlsa_ee(self) -> str:
        return "3 1 1 " + key_digest(self.certificate)

    def context(self, folder: Path) -> ssl.SSLContext:
        """A server's context that shows it with its chain."""
        path = folder / f"{self.certificate.serial_number}.pem"
        pem = serialization.Encoding.PEM
        octets = self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(octets + b"".join(each.public_bytes(pem) for each in (self.certificate, *self.chain)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


class Authority:
    """``file`` holds its certificate in PEM, for ``ca_file`` settings; ``tlsa_ta`` is its record for DANE-TA."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            _begun(who, who, self._key, now - DAY, now + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def tlsa_ta(self) -> str:
        return "2 1 1 " + key_digest(self.certificate)

    def issue(self, *names: str, expired: bool = False, days: int = 10) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        until = now - DAY if expired else now + days * DAY
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (
            _begun(who, self.certificate.subject, key, now - 10 * DAY, until)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(certificate, key, [self.certificate])


def key_digest(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key, in hexadecimal."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(certificate.public_key().public_bytes(serialization.Encoding.DER, form)).hexdigest()


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
