"""Whether the certificates that a mail host shows are the ones its policy asks for: by TLSA records (RFC 7672), for which the
system's trust does not matter, or by trust and name, which OpenSSL has checked by then.
"""

from __future__ import annotations

import hashlib
import itertools
import ssl
import time
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from posthouse.model.tls_policy import Tlsa, TlsFailure

MAX_CHAIN = 10
_EXPIRED = 10
_NAME_MISMATCH = 62


class NotProven(Exception):
    """The host is not who it should be; ``failure`` in the words of TLS reports."""

    def __init__(self, failure: TlsFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


def failure_of(error: BaseException | None) -> TlsFailure:
    """The word for a handshake that did not come about."""
    while error is not None:
        if isinstance(error, NotProven):
            return error.failure
        if isinstance(error, ssl.SSLCertVerificationError):
            words: dict[int, TlsFailure] = {_EXPIRED: "certificate-expired", _NAME_MISMATCH: "certificate-host-mismatch"}
            return words.get(error.verify_code, "certificate-not-trusted")
        error = error.__cause__
    return "validation-failure"


def chain_of(found: ssl.SSLObject) -> list[x509.Certificate]:
    """What the peer has shown, its own certificate first."""
    inner = getattr(found, "_sslobj", None)
    shown = inner.get_unverified_chain() if inner is not None else None
    if shown is None:
        return []
    return [x509.load_pem_x509_certificate(each.public_bytes().encode("ascii")) for each in shown[:MAX_CHAIN]]


def prove(chain: Sequence[x509.Certificate], records: Sequence[Tlsa], names: Sequence[str], now: float | None = None) -> None:
    """Raises NotProven unless a usable record matches: DANE-EE the host's own certificate, whatever its name and age
    (RFC 7672 §3.1.1); DANE-TA one above it, of which it must be signed, valid now and in one of ``names`` (§3.1.2)."""
    if not chain:
        raise NotProven("validation-failure", "no certificate was shown")
    usable = [record for record in records if record.is_usable]
    if any(record.usage == 3 and matches(chain[0], record) for record in usable):
        return
    anchors = [place for place, each in enumerate(chain) if any(r.usage == 2 and matches(each, r) for r in usable)]
    if not anchors:
        raise NotProven("validation-failure", "no TLSA record matches the certificate shown")
    at = time.time() if now is None else now
    path = chain[: anchors[0] + 1]
    for below, above in itertools.pairwise(path):
        try:
            below.verify_directly_issued_by(above)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise NotProven("validation-failure", f"the chain to the trust anchor does not hold: {error}") from error
    for each in path:
        if not each.not_valid_before_utc.timestamp() <= at <= each.not_valid_after_utc.timestamp():
            raise NotProven("certificate-expired", "a certificate is not valid now")
    if not any(_names(chain[0], name) for name in names):
        raise NotProven("certificate-host-mismatch", f"the certificate is not for {' or '.join(names)}")


def matches(certificate: x509.Certificate, record: Tlsa) -> bool:
    """Whether a record is of this certificate, or of its key."""
    if record.selector == 0:
        data = certificate.public_bytes(Encoding.DER)
    else:
        data = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if record.matching == 1:
        data = hashlib.sha256(data).digest()
    elif record.matching == 2:
        data = hashlib.sha512(data).digest()
    return data == record.data


def _names(certificate: x509.Certificate, host: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = [name.lower().rstrip(".") for name in names.get_values_for_type(x509.DNSName)]
    except (x509.ExtensionNotFound, ValueError):
        return False
    name = host.lower().rstrip(".")
    return any(name == each or (each.startswith("*.") and name.partition(".")[2] == each[2:]) for each in found)
