"""What a TLS connection gives to bind a login to: by version, by the certificate that SNI chose, and when nothing is fit."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from posthouse.servers import channel_bindings
from posthouse.servers.channel_bindings import end_point, exported
from posthouse.servers.tls import TlsLayer
from posthouse.servers.tls_contexts import CertificateFiles, CertificateSet, TlsContexts

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def write(path: Path, *, algorithm: hashes.SHA256 | hashes.SHA384 | None = None) -> CertificateFiles:
    """A certificate signed with that hash, or by Ed25519."""
    key = ec.generate_private_key(ec.SECP256R1()) if algorithm is not None else ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, algorithm)
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + private)
    return CertificateFiles(path, path, (path.stem,))


def shake(
    contexts: TlsContexts, version: ssl.TLSVersion, name: str = "", session: ssl.SSLSession | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[TlsLayer, ssl.SSLObject]:  # fmt: skip
    """Both ends of one connection."""
    if context is None:
        context = client_context(version)
    server_context = contexts.current()
    assert server_context is not None
    server = TlsLayer(server_context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name or None, session=session)
    done = False
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        octets = outgoing.read()
        if not done:
            done = server.handshake(octets)
        else:
            server.decrypt(octets)
        incoming.write(server.pending())
    assert done
    return server, client


def client_context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
def contexts(tmp_path: Path) -> TlsContexts:
    made = TlsContexts()
    default = write(tmp_path / "default.test.pem", algorithm=hashes.SHA256())
    others = (write(tmp_path / "other.test.pem", algorithm=hashes.SHA384()), write(tmp_path / "plain.test.pem"))
    made.load(CertificateSet(default, others))
    return made


@pytest.mark.parametrize(
    ("version", "name", "kinds"),
    [
        (TLS_1_3, "", {"tls-exporter", "tls-server-end-point"}),
        (TLS_1_3, "other.test", {"tls-exporter", "tls-server-end-point"}),
        (TLS_1_3, "plain.test", {"tls-exporter"}),
        (TLS_1_2, "other.test", {"tls-unique", "tls-server-end-point"}),
        (TLS_1_2, "plain.test", {"tls-unique"}),
    ],
)
def test_both_ends_have_the_same_by_version_and_certificate(
    contexts: TlsContexts, version: ssl.TLSVersion, name: str, kinds: set[str]
) -> None:
    server, client = shake(contexts, version, name)
    bindings = server.facts().bindings
    assert bindings.keys() == kinds
    assert bindings.get("tls-exporter", b"") == (exported(client) if version is TLS_1_3 else b"")
    assert bindings.get("tls-unique") == client.get_channel_binding("tls-unique") or version is TLS_1_3
    shown = client.getpeercert(binary_form=True) or b""
    algorithm = "sha384" if name == "other.test" else "sha256"
    assert bindings.get("tls-server-end-point", b"") in (b"", hashlib.new(algorithm, shown).digest())
    for octets in bindings.values():
        assert octets.hex() not in repr(server.facts()) and str(octets) not in repr(server.facts())


def test_another_connection_has_another_binding(contexts: TlsContexts) -> None:
    for version, kind in ((TLS_1_3, "tls-exporter"), (TLS_1_2, "tls-unique")):
        first, second = (shake(contexts, version)[0].facts().bindings[kind] for _ in range(2))
        assert first != second


def test_a_resumed_session_of_tls_1_2_has_none(contexts: TlsContexts) -> None:
    """The triple handshake: two connections of one master secret may agree on ``tls-unique``."""
    context = client_context(TLS_1_2)
    _, client = shake(contexts, TLS_1_2, context=context)
    server, client = shake(contexts, TLS_1_2, context=context, session=client.session)
    assert client.session_reused
    assert server.facts().bindings == {}


def test_a_python_whose_objects_look_different_has_no_exporter(contexts: TlsContexts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_bindings, "_CONTEXT_AT", 2)
    assert shake(contexts, TLS_1_3)[0].facts().bindings == {}
    assert shake(contexts, TLS_1_2)[0].facts().bindings.keys() == {"tls-unique", "tls-server-end-point"}


def test_a_library_without_the_function_has_no_exporter(contexts: TlsContexts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_bindings, "_export", lambda: None)
    assert shake(contexts, TLS_1_3)[0].facts().bindings == {}


def test_a_file_that_is_no_certificate_has_no_end_point(tmp_path: Path) -> None:
    assert end_point(tmp_path / "missing.pem") == b""
    (tmp_path / "broken.pem").write_text("nothing")
    assert end_point(tmp_path / "broken.pem") == b""
