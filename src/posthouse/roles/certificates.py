"""Certificates of a node: files named in the settings, or a self-made one kept in the data folder (TLS-1).

Chooses what ``servers.tls_contexts`` loads, and tells operations what is in use.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from posthouse.admin.nodecontrol import Certificate
from posthouse.base import log
from posthouse.model.settings import TlsSettings
from posthouse.servers.tls_contexts import CertificateFiles, CertificateSet

SELF_MADE = "tls/self-made.pem"
LIFETIME_DAYS = 3650

_log = log.get("certificates")


def make_self_signed(data: Path, name: str) -> None:
    """At first start: a key (EC P-256) and certificate for ``name`` and this machine, 0600, unless there is one."""
    path = data / SELF_MADE
    if path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    if name != "localhost":
        names.insert(1, x509.DNSName("localhost"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=LIFETIME_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(path, pem)
    _log.info("certificate-made", name=name)


def _write(path: Path, octets: bytes) -> None:
    """Whole or not at all, readable by the owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(octets)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def in_use(settings: TlsSettings, data: Path) -> CertificateSet:
    """What the settings name. Relative file names are relative to the data folder."""
    if settings.certificate:
        chain = data / settings.certificate
        default = CertificateFiles(chain, data / settings.private_key if settings.private_key else chain)
    else:
        default = self_made(data).default
    others = tuple(_by_name(data / settings.sni_directory)) if settings.sni_directory else ()
    return CertificateSet(default, others, settings.minimum)


def self_made(data: Path, minimum: str = "1.2") -> CertificateSet:
    """The node's own certificate alone."""
    own = data / SELF_MADE
    return CertificateSet(CertificateFiles(own, own), minimum=minimum)


def _by_name(folder: Path) -> Iterator[CertificateFiles]:
    """One entry for each ``NAME.pem``: for NAME, and for the names that the certificate itself gives."""
    try:
        paths = sorted(folder.glob("*.pem"))
    except OSError as error:
        _log.error("sni-folder-unreadable", folder=str(folder), why=str(error))
        return
    for path in paths:
        try:
            names = {path.stem.lower(), *_dns_names(_read(path))}
        except (OSError, ValueError) as error:
            _log.error("certificate-unreadable", file=str(path), why=str(error))
            continue
        yield CertificateFiles(path, path, tuple(sorted(names)))


def _read(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificate(path.read_bytes())


def _dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in found.value.get_values_for_type(x509.DNSName))


def describe(settings: TlsSettings, data: Path) -> list[Certificate]:
    """For ``certificate list``; files that cannot be read are left out (the log has why)."""
    chosen = in_use(settings, data)
    out = []
    for files in (chosen.default, *chosen.others):
        try:
            certificate = _read(files.chain)
        except (OSError, ValueError) as error:
            _log.error("certificate-unreadable", file=str(files.chain), why=str(error))
            continue
        self_made = files.chain == data / SELF_MADE
        out.append(
            Certificate(
                names=_dns_names(certificate) or files.names,
                issuer=certificate.issuer.rfc4514_string(),
                not_after=certificate.not_valid_after_utc.timestamp(),
                fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":"),
                source="self-made" if self_made else str(files.chain),
            )
        )
    return out
