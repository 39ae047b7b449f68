"""TLS over real sockets against Python's own client: implicit, STARTTLS, injection, SNI, reload, farewell."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posthouse.base.clock import ManualClock
from posthouse.model.session import TlsFacts
from posthouse.model.settings import TlsSettings
from posthouse.roles import certificates
from posthouse.servers.connection import HANDSHAKE_TIMEOUT_S, Connection
from posthouse.servers.sweeper import Sweeper
from posthouse.servers.tls_contexts import TlsContexts
from support.listening import Serve


def write_certificate(path: Path, name: str) -> Path:
    """A self-signed certificate for ``name`` with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


async def echo(connection: Connection) -> None:
    while data := await connection.read(30):
        connection.write(data)
        await connection.drain()


def current(contexts: TlsContexts) -> ssl.SSLContext:
    context = contexts.current()
    assert context is not None
    return context


async def starttls_echo(connection: Connection, contexts: TlsContexts) -> None:
    connection.write(b"220 hello\r\n")
    while data := await connection.read(30):
        if data.startswith(b"STARTTLS"):
            connection.write(b"220 go ahead\r\n")
            await connection.start_tls(current(contexts))
        else:
            connection.write(b"got " + data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_implicit_tls_carries_megabytes_both_ways(serve: Serve, version: ssl.TLSVersion) -> None:
    serving = await serve(echo, "imaps")
    context = serve.client_context()
    context.minimum_version = context.maximum_version = version
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port, ssl=context, server_hostname="mx.example.test")
    payload = bytes(range(256)) * 8192
    writer.write(payload)
    assert await asyncio.wait_for(reader.readexactly(len(payload)), 20) == payload
    writer.close()


async def test_the_facts_of_the_handshake_are_known(serve: Serve) -> None:
    facts: list[TlsFacts] = []

    async def handler(connection: Connection) -> None:
        assert connection.tls is not None
        facts.append(connection.tls)

    serving = await serve(handler, "imaps")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", serving.port, ssl=serve.client_context(), server_hostname="localhost"
    )
    assert await reader.read() == b""
    writer.close()
    assert (facts[0].version, facts[0].server_name) == ("TLSv1.3", "localhost")
    assert facts[0].cipher.startswith("TLS_")


async def test_starttls_goes_from_clear_text_to_tls(serve: Serve) -> None:
    serving = await serve(lambda connection: starttls_echo(connection, serve.contexts))
    reader, writer = await serving.connect()
    await reader.readline()
    writer.write(b"NOOP\r\n")
    assert await reader.readline() == b"got NOOP\r\n"
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"220 go ahead\r\n"
    await writer.start_tls(serve.client_context(), server_hostname="mx.example.test")
    writer.write(b"secret\r\n")
    assert await reader.readline() == b"got secret\r\n"
    writer.close()


async def test_cve_2011_0411_commands_sent_before_the_handshake_are_not_taken_as_protected(serve: Serve) -> None:
    seen: list[bytes] = []
    release = asyncio.Event()

    async def handler(connection: Connection) -> None:
        seen.append(await connection.read(30))
        await release.wait()
        connection.write(b"220 go ahead\r\n")
        await connection.start_tls(current(serve.contexts))
        seen.append(await connection.read(30))
        connection.write(b"done\r\n")

    serving = await serve(handler)
    reader, writer = await serving.connect()
    writer.write(b"STARTTLS\r\n")
    async with asyncio.timeout(60):
        while not seen:
            await asyncio.sleep(0.01)
        writer.write(b"RCPT TO:<injected@example.test>\r\n")
        connection = next(iter(serving.listener._tasks))
        while not connection._inbox.size_bytes:
            await asyncio.sleep(0.01)
    release.set()
    assert await reader.readline() == b"220 go ahead\r\n"
    await writer.start_tls(serve.client_context(), server_hostname="mx.example.test")
    writer.write(b"EHLO me\r\n")
    assert await reader.readline() == b"done\r\n"
    assert seen == [b"STARTTLS\r\n", b"EHLO me\r\n"]
    writer.close()


async def test_a_handshake_that_does_not_come_times_out(serve: Serve) -> None:
    clock = ManualClock()
    sweeper = Sweeper(clock, interval_s=3600)
    serving = await serve(echo, "imaps", sweeper=sweeper)
    reader, writer = await serving.connect()
    async with asyncio.timeout(60):
        while not any(member.next_deadline_s < float("inf") for member in sweeper._members):
            await asyncio.sleep(0.01)
    clock.advance(HANDSHAKE_TIMEOUT_S + 1)
    sweeper.sweep()
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


async def test_clear_text_on_a_tls_port_gets_an_alert_and_the_end(serve: Serve) -> None:
    serving = await serve(echo, "imaps")
    reader, writer = await serving.connect()
    writer.write(b"a001 CAPABILITY\r\n" * 10)
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer[:1] in (b"", b"\x15")
    writer.close()


async def test_old_tls_versions_are_refused(serve: Serve) -> None:
    serving = await serve(echo, "imaps")
    context = serve.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", serving.port, ssl=context, server_hostname="localhost")


async def test_close_sends_close_notify(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        connection.write(b"bye")

    serving = await serve(handler, "imaps")
    context = serve.client_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    reader, writer = await serving.connect()
    got = b""
    ended = False
    async with asyncio.timeout(60):
        handshaken = False
        while not ended:
            try:
                if not handshaken:
                    client.do_handshake()
                    handshaken = True
                piece = client.read(100)
                got += piece
                ended = not piece
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                data = await reader.read(65_536)
                assert data, "the stream ended without close_notify"
                incoming.write(data)
    assert got == b"bye"
    writer.close()


async def test_a_broken_record_raises_oserror(serve: Serve) -> None:
    failed: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        try:
            await connection.read(30)
        except OSError as error:
            failed.set_result(error)

    serving = await serve(handler, "imaps")
    context = serve.client_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    reader, writer = await serving.connect()
    async with asyncio.timeout(60):
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65_536))
        writer.write(outgoing.read() + b"\x17\x03\x03\x00\x20" + b"\0" * 32)
        assert isinstance(await failed, ssl.SSLError)
    writer.close()


async def test_the_host_name_that_is_asked_for_chooses_the_certificate(serve: Serve) -> None:
    write_certificate(serve.data / "sni" / "mail.example.org.pem", "mail.example.org")
    certificates.make_self_signed(serve.data, "mx.example.test")
    serve.contexts.load(certificates.in_use(TlsSettings(sni_directory="sni"), serve.data))
    serving = await serve(echo, "imaps")
    assert await common_name(serving.port, "mail.example.org") == "mail.example.org"
    assert await common_name(serving.port, "MAIL.example.org") == "mail.example.org"
    assert await common_name(serving.port, "other.example.org") == "mx.example.test"


async def test_new_certificates_are_for_new_connections_and_old_ones_go_on(serve: Serve) -> None:
    serving = await serve(echo, "imaps")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", serving.port, ssl=serve.client_context(), server_hostname="mx.example.test"
    )
    write_certificate(serve.data / "new.pem", "new.example.test")
    serve.contexts.load(certificates.in_use(TlsSettings(certificate="new.pem"), serve.data))
    assert await common_name(serving.port, "localhost") == "new.example.test"
    writer.write(b"still here")
    assert await reader.readexactly(10) == b"still here"
    writer.close()


async def test_a_bad_certificate_file_changes_nothing(serve: Serve) -> None:
    serving = await serve(echo, "imaps")
    (serve.data / "bad.pem").write_text("not a certificate")
    with pytest.raises(OSError):
        serve.contexts.load(certificates.in_use(TlsSettings(certificate="bad.pem"), serve.data))
    assert await common_name(serving.port, "localhost") == "mx.example.test"


async def common_name(port: int, server_name: str) -> str:
    """The subject of the certificate that the server shows for ``server_name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=server_name)
    octets = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    subject = x509.load_der_x509_certificate(octets).subject
    return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
