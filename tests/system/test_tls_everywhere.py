"""TLS on every service of a running node: versions, certificates by file and by name, renewed while connections last; no login
in clear text from elsewhere (TLS-1).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from support.authority import Authority, Issued
from support.clients import Wire, proxy_v1
from support.node import SERVICES, Node, running, until

ALL = (*SERVICES, "managesieve", "http", "https", "admin", "admins")
FROM_THE_START = ("submissions", "imaps", "pop3s", "https", "admins")
BY_COMMAND = {
    "smtp": ("EHLO client.test", "STARTTLS"),
    "submission": ("EHLO client.test", "STARTTLS"),
    "imap": ("a STARTTLS",),
    "pop3": ("STLS",),
    "managesieve": ("STARTTLS",),
}
FIRST, SECOND = "mx.example.test", "mail.second.test"


@dataclass
class Net:
    node: Node
    authority: Authority
    folder: Path

    def put(self, path: Path, *names: str) -> str:
        """A new certificate there; gives its serial number as OpenSSL writes it."""
        issued: Issued = self.authority.issue(*names)
        pem = serialization.Encoding.PEM
        key = issued.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(key + b"".join(each.public_bytes(pem) for each in (issued.certificate, *issued.chain)))
        return f"{issued.certificate.serial_number:X}"

    def secured(self, service: str, name: str, version: ssl.TLSVersion | None = None) -> ssl.SSLSocket:
        """A connection under TLS that trusts the authority alone and asks for ``name``."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        peer = socket.create_connection(("127.0.0.1", self.node.ports[service]), timeout=30)
        if service in BY_COMMAND:
            _until_line_ends(peer, service)
            for command in BY_COMMAND[service]:
                peer.sendall(command.encode() + b"\r\n")
                _until_line_ends(peer, "")
        return context.wrap_socket(peer, server_hostname=name)


def _until_line_ends(peer: socket.socket, service: str) -> None:
    """One whole answer; ManageSieve's greeting ends with OK, an ESMTP answer with a line without a hyphen."""
    said = b""
    while True:
        said += peer.recv(4096)
        last = said.rstrip(b"\r\n").rpartition(b"\r\n")[2]
        if said.endswith(b"\r\n") and last[3:4] != b"-" and (service != "managesieve" or last.startswith(b"OK")):
            return


def serial(peer: ssl.SSLSocket) -> str:
    shown = peer.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"]).lstrip("0")


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "authority")
    with running(folder / "node", services=ALL) as node:
        yield Net(node, authority, folder)


@pytest.fixture
def serials(net: Net) -> dict[str, str]:
    """Two names with a certificate each, one by file and one by SNI, in force in every worker."""
    by_name = net.folder / "sni"
    by_name.mkdir(exist_ok=True)
    found = {FIRST: net.put(net.folder / "first.pem", FIRST), SECOND: net.put(by_name / f"{SECOND}.pem", SECOND)}
    settings = f"tls.certificate = {net.folder}/first.pem\ntls.sni_directory = {by_name}\n"
    net.node.run("setting", "import", stdin=settings)
    net.node.run("node", "reload")
    until(lambda: shown_by_all(net, found))
    return found


def shown_by_all(net: Net, wanted: dict[str, str]) -> bool:
    """Whether both names have their certificate, whichever worker answers."""
    with contextlib.suppress(ssl.SSLCertVerificationError):
        for _ in range(4):
            for name, number in wanted.items():
                with net.secured("imaps", name) as peer:
                    if serial(peer) != number.lstrip("0"):
                        return False
        return True
    return False


@pytest.mark.spec_part("TLS-1")
@pytest.mark.parametrize("service", [*FROM_THE_START, *BY_COMMAND])
def test_every_service_speaks_tls_1_2_and_1_3_with_the_certificate_of_the_name(
    net: Net, serials: dict[str, str], service: str
) -> None:
    for version, said in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        for name, number in serials.items():
            with net.secured(service, name, version) as peer:
                assert (peer.version(), serial(peer)) == (said, number.lstrip("0"))


@pytest.mark.spec_part("TLS-1")
def test_certificates_are_renewed_while_connections_last(net: Net, serials: dict[str, str]) -> None:
    kept = {service: net.secured(service, FIRST) for service in (*FROM_THE_START, *BY_COMMAND)}
    renewed = {
        FIRST: net.put(net.folder / "first.pem", FIRST),
        SECOND: net.put(net.folder / "sni" / f"{SECOND}.pem", SECOND),
    }
    assert not set(renewed.values()) & set(serials.values())
    net.node.run("node", "reload")
    until(lambda: shown_by_all(net, renewed))
    says = {
        "https": b"GET /health/live HTTP/1.1\r\nHost: mx\r\n\r\n",
        "admins": b"1 VERSION\r\n",
        "imap": b"b NOOP\r\n",
        "imaps": b"b NOOP\r\n",
        "pop3": b"CAPA\r\n",
        "pop3s": b"CAPA\r\n",
        "managesieve": b"NOOP\r\n",
    }
    for service, peer in kept.items():
        with peer:
            peer.sendall(says.get(service, b"NOOP\r\n"))
            assert peer.recv(4096), f"{service} went on"
        with net.secured(service, SECOND) as again:
            assert serial(again) == renewed[SECOND].lstrip("0"), service


@pytest.mark.spec_part("TLS-1")
def test_a_file_that_is_no_certificate_leaves_the_one_before_in_force(net: Net, serials: dict[str, str]) -> None:
    (net.folder / "first.pem").write_text("not a certificate")
    net.node.run("node", "reload", check=False)
    until(lambda: "certificates-not-loaded" in net.node.log())
    assert shown_by_all(net, serials)


@pytest.mark.spec_part("TLS-1")
def test_scripts_and_administration_take_no_login_in_clear_text_from_elsewhere(net: Net) -> None:
    net.node.run("smtp", "set", "proxy_networks", "127.0.0.1/32")

    def first_line(service: str) -> bytes:
        with contextlib.suppress(EOFError), Wire(net.node.ports[service], first=proxy_v1("192.0.2.50"), timeout_s=10) as wire:
            return wire.line()
        return b""

    until(lambda: all(first_line("admin").startswith(b"* OK") for _ in range(4)))
    with Wire(net.node.ports["admin"], first=proxy_v1("192.0.2.50")) as wire:
        wire.line()
        wire.send('1 LOGIN jane@example.test "correct horse 7"')
        assert wire.line().startswith(b"1 NO")
    with Wire(net.node.ports["managesieve"], first=proxy_v1("192.0.2.50")) as wire:
        told: list[bytes] = []
        while not (told and told[-1].startswith(b"OK")):
            told.append(wire.line())
        assert b'"STARTTLS"' in told and not any(b"PLAIN" in line for line in told)
        wire.send('AUTHENTICATE "PLAIN" "AGphbmVAZXhhbXBsZS50ZXN0AGNvcnJlY3QgaG9yc2UgNw=="')
        assert wire.line().startswith(b"NO")
