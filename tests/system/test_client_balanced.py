"""Clients from elsewhere, through balancers that say who they are by the PROXY protocol (DEP-6).

The way to test on one machine what depends on the client's address: logins in clear text (TLS-1, INB-3), relaying (NET-4).
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from support.clients import ImapWire, ProxiedSmtp, SmtpWire, Wire, message_of, proxy_v1, proxy_v2, trusting_tls
from support.node import PASSWORD, Node, running, until
from support.zone import Zone

JANE = "jane@example.test"
STRANGER = "stranger@elsewhere.test"
FAR = "192.0.2.50"
LISTED = "198.51.100.7"
PLAIN = base64.b64encode(f"\0{JANE}\0{PASSWORD}".encode()).decode()
Header = Callable[[str], bytes]


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone() as served:
        served.add_host("relay.partner.test", "203.0.113.20")
        served.add_host("deep.hosts.partner.test", "2001:db8::20")
        served.add("21.113.0.203.in-addr.arpa", "PTR", "liar.partner.test.")
        served.add("liar.partner.test", "A", "203.0.113.99")
        served.add("22.113.0.203.in-addr.arpa", "PTR", "nothing.partner.test.")
        served.add_host("relay.notpartner.test", "203.0.113.23")
        yield served


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, zone: Zone) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("balanced"), extra=zone.toml) as started:
        started.run("setting", "import", stdin=(
            "smtp.proxy_networks = 127.0.0.1/32\\n"
            f"smtp.relay_networks = 198.51.100.\\nsmtp.relay_domains = partner.test\\n"
            "auth.failure_delay_s = 0.1\\nqueue.first_retry_s = 1h\\n"
        ))  # fmt: skip
        started.run("queue", "hold", "--all", check=False)
        until(lambda: all(knows_the_balancer(started) for _ in range(6)))
        yield started


def knows_the_balancer(node: Node) -> bool:
    """Whether this worker takes a PROXY header already."""
    with Wire(node.ports["smtp"], first=proxy_v1(FAR)) as wire:
        return wire.line().startswith(b"220") and (wire.send("EHLO x") or wire.line()).startswith(b"250")


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize("header", [proxy_v1, proxy_v2])
@pytest.mark.parametrize("client", [FAR, "2001:db8::50"])
def test_the_true_address_stands_in_the_message_and_in_its_trace(node: Node, header: Header, client: str) -> None:
    subject = f"from {client} by {header.__name__}"
    with ProxiedSmtp(node.ports["smtp"], header(client)) as smtp:
        smtp.sendmail(f"{header.__name__}@elsewhere.test", [JANE], f"Subject: {subject}\r\n\r\nx\r\n")
    with ImapWire(node.ports["imap"], first=proxy_v1(FAR)) as reader:
        reader.start_tls_by_command()
        reader.login(JANE)
        reader.good("EXAMINE INBOX")
        uid = reader.good(f'UID SEARCH SUBJECT "{subject}"').lines[-1].split()[-1].decode()
        (received,) = reader.good(f"UID FETCH {uid} (BODY.PEEK[HEADER.FIELDS (RECEIVED)])").of("FETCH")
    shown = f"[IPv6:{client}]" if ":" in client else f"[{client}]"
    assert f"({shown})" in received.decode()
    traces = until(lambda: [row for row in node.json("mail", "list", "--sender", f"{header.__name__}@elsewhere.test")
                            if row["client"] == client])  # fmt: skip
    assert traces[0]["outcome"] == "accepted"
