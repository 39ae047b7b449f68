"""The data folder, its lock, the listening sockets and the self-made certificate."""

from __future__ import annotations

import os
import pwd
import socket
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from posthouse.model.settings import TlsSettings
from posthouse.roles import certificates, data_folder, sockets
from posthouse.roles.config import Address, ConfigError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    data_folder.make(data, "")
    data.chmod(0o755)
    data_folder.make(data, "")
    assert [mode(data / name) for name in data_folder.FOLDERS] == [0o700] * len(data_folder.FOLDERS)


def test_a_folder_that_cannot_be_made_gives_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        data_folder.make(tmp_path / "file" / "data", "")


def test_an_unknown_user_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"node\.user: there is no user nobody-here"):
        data_folder.make(tmp_path / "data", "nobody-here")


def test_a_second_node_on_the_same_folder_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    held = data_folder.lock(tmp_path, wait_s=0)
    with pytest.raises(ConfigError, match=rf"another node runs here \(process {os.getpid()}\)"):
        data_folder.lock(tmp_path, wait_s=0.1)
    os.close(held)
    os.close(data_folder.lock(tmp_path, wait_s=0))


def test_a_folder_of_somebody_else_gives_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(ConfigError, match="lock: Is a directory"):
        data_folder.lock(tmp_path, wait_s=0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_lock_belongs_to_the_user_that_the_node_becomes(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    data_folder.make(tmp_path / "data", "nobody")
    os.close(data_folder.lock(tmp_path / "data", wait_s=0))
    assert (tmp_path / "data" / "lock").stat().st_uid == nobody.pw_uid


def test_becoming_the_user_that_one_is_already_needs_no_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_allowed(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "initgroups", not_allowed)
    data_folder.drop_privileges(pwd.getpwuid(os.getuid()).pw_name)


def test_sockets_listen() -> None:
    opened = sockets.open_all({"smtp": Address("127.0.0.1", 0)})
    try:
        assert list(opened) == ["smtp"]
        host, _, port = sockets.bound(opened["smtp"]).rpartition(":")
        assert host == "127.0.0.1"
        socket.create_connection((host, int(port)), timeout=30).close()
    finally:
        opened["smtp"].close()


def test_an_address_in_use_gives_one_clear_line_and_closes_the_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"listen\.imap: cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            sockets.open_all({"smtp": Address("127.0.0.1", 0), "imap": Address("127.0.0.1", port)})


def test_the_self_made_certificate_is_for_the_node_and_this_machine(tmp_path: Path) -> None:
    certificates.make_self_signed(tmp_path, "mx.example.test")
    path = tmp_path / certificates.SELF_MADE
    assert mode(path) == 0o600
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.example.test", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    before = path.read_bytes()
    certificates.make_self_signed(tmp_path, "mx.example.test")
    assert path.read_bytes() == before


def test_certificates_are_described_and_unreadable_ones_left_out(tmp_path: Path) -> None:
    certificates.make_self_signed(tmp_path, "mx.example.test")
    (tmp_path / "sni").mkdir()
    (tmp_path / "sni" / "bad.example.test.pem").write_text("nothing")
    (tmp_path / "sni" / "other.example.test.pem").write_bytes((tmp_path / certificates.SELF_MADE).read_bytes())
    found = certificates.describe(TlsSettings(sni_directory="sni"), tmp_path)
    assert [(one.source, one.names) for one in found] == [
        ("self-made", ("mx.example.test", "localhost")),
        (str(tmp_path / "sni" / "other.example.test.pem"), ("mx.example.test", "localhost")),
    ]
    used = certificates.in_use(TlsSettings(sni_directory="sni"), tmp_path)
    assert [one.names for one in used.others] == [("localhost", "mx.example.test", "other.example.test")]
