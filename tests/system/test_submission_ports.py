"""Submission on a real node: both ports, no mail without a login, what is missing is added, devices beside a mail reader."""

from __future__ import annotations

import email
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from email.message import Message

import pytest

from support.node import PASSWORD, Node, running, until

JANE, OMAR = "jane@example.test", "omar@example.org"
BARE = "Subject: {}\r\n\r\nHi.\r\n"
DESK, HALL = "127.0.7.1", "127.0.8.1"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("submission"), services=("submission", "submissions", "imap")) as started:
        yield started


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def port_587(node: Node, source: str = "127.0.0.1") -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=30, source_address=(source, 0))
    client.starttls(context=unverified())
    return client


def port_465(node: Node, source: str = "127.0.0.1") -> smtplib.SMTP:
    port = node.ports["submissions"]
    return smtplib.SMTP_SSL("127.0.0.1", port, timeout=30, context=unverified(), source_address=(source, 0))


def got(node: Node, subject: str) -> Message:
    """The message with this subject in Omar's inbox."""
    client = node.imap(OMAR)
    client.select("INBOX", readonly=True)
    [number] = until(lambda: client.search(None, "SUBJECT", f'"{subject}"')[1][0].decode().split())
    part = client.fetch(number, "(BODY.PEEK[])")[1][0]
    client.logout()
    assert isinstance(part, tuple)
    return email.message_from_bytes(part[1])


@pytest.mark.spec("OUT-1")
@pytest.mark.parametrize("port", [port_587, port_465])
def test_both_ports_take_mail_after_a_login_mend_it_and_let_devices_in_as_set(
    node: Node, port: Callable[..., smtplib.SMTP]
) -> None:
    name = getattr(port, "__name__", "")
    node.run("submission", "set", "device_login_s", "0")  # as it is from the start

    def without_login() -> int:
        with port(node) as client:
            client.ehlo()
            return client.mail(JANE)[0]

    assert until(lambda: without_login() == 530), "authentication is required"
    with port(node) as client:
        client.login(JANE, PASSWORD)
        assert isinstance(client.sock, ssl.SSLSocket)
        client.sendmail(JANE, [OMAR], BARE.format(f"mended {name}"))
    mended = got(node, f"mended {name}")
    assert mended["Date"]
    assert mended["Message-ID"]
    assert mended["From"].strip("<>") == JANE

    def device(source: str) -> int:
        with port(node, source) as client:
            client.ehlo()
            return client.mail(JANE)[0]

    read_from(node, DESK)
    assert device(DESK) == 530, "off by default"
    node.run("submission", "set", "device_login_s", "600")

    def let_in() -> bool:
        read_from(node, DESK)
        return device(DESK) == 250

    until(let_in)
    with port(node, DESK) as client:
        client.sendmail(JANE, [OMAR], BARE.format(f"printed {name}"))
    assert got(node, f"printed {name}")["From"].strip("<>") == JANE
    assert device(HALL) == 530, "nobody reads mail there"


def read_from(node: Node, source: str) -> None:
    """A mail reader logs in from an address."""
    with socket.create_connection(("127.0.0.1", node.ports["imap"]), timeout=30, source_address=(source, 0)) as client:
        client.sendall(f'a LOGIN "{JANE}" "{PASSWORD}"\r\nb LOGOUT\r\n'.encode())
        text = b""
        while chunk := client.recv(4096):
            text += chunk
    assert b"a OK" in text
