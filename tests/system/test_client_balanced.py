"""Clients from elsewhere, through balancers that say who they are by the PROXY protocol (DEP-6).

The way to test on one machine what depends on the client's address: logins in clear text (TLS-1, INB-3), relaying (NET-4).
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from support.clients import ImapWire, ProxiedSmtp, SmtpWire, Wire, proxy_v1, proxy_v2, trusting_tls
from support.node import PASSWORD, SERVICES, Node, running, until
from support.zone import Zone

JANE = "jane@example.test"
STRANGER = "stranger@elsewhere.test"
FAR = "192.0.2.50"
LISTED = "198.51.100.7"
ALL = (*SERVICES, "managesieve", "http", "https", "admin", "admins")
PLAIN = base64.b64encode(f"\0{JANE}\0{PASSWORD}".encode()).decode()
Header = Callable[[str], bytes]
SETTINGS = """
smtp.proxy_networks = 127.0.0.1/32
smtp.relay_networks = 198.51.100.
smtp.relay_domains = partner.test
smtp.tarpit_s = 0
auth.failure_delay_s = 0.1
"""


@pytest.fixture(scope="module")
def zone() -> Iterator[Zone]:
    with Zone() as served:
        served.add_host("relay.partner.test", "203.0.113.20")
        served.add_host("deep.hosts.partner.test", "2001:db8::20")
        served.add("21.113.0.203.in-addr.arpa", "PTR", "liar.partner.test.")
        served.add("liar.partner.test", "A", "203.0.113.99")
        served.add("22.113.0.203.in-addr.arpa", "PTR", "nothing.partner.test.")
        served.add_host("relay.notpartner.test", "203.0.113.23")
        served.add("elsewhere.test", "MX", "10 relay.partner.test.")
        yield served


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, zone: Zone) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("balanced"), services=ALL, extra=zone.toml) as started:
        started.run("setting", "import", stdin=SETTINGS)
        until(lambda: all(knows_the_balancer(started) for _ in range(6)))
        yield started


def knows_the_balancer(node: Node) -> bool:
    """Whether the worker that answers takes a PROXY header already."""
    with Wire(node.ports["smtp"], first=proxy_v1(FAR)) as wire:
        wire.line()
        wire.send("NOOP")
        return wire.line().startswith(b"250")


def read_inbox(node: Node, subject: str) -> bytes:
    """The header of the one message with this subject."""
    with ImapWire(node.ports["imap"], first=proxy_v1("127.0.0.1")) as reader:
        reader.login(JANE)
        reader.good("EXAMINE INBOX")
        uids = reader.good(f'UID SEARCH SUBJECT "{subject}"').lines[-1].split()[2:]
        assert len(uids) == 1, f"{len(uids)} messages with the subject {subject}"
        (found,) = reader.good(f"UID FETCH {uids[0].decode()} (BODY.PEEK[HEADER])").of("FETCH")
    return found


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize("header", [proxy_v1, proxy_v2])
@pytest.mark.parametrize("client", [FAR, "2001:db8::50"])
def test_the_true_address_stands_in_the_message_and_in_its_trace(node: Node, header: Header, client: str) -> None:
    subject, sender = f"from {client} by {header.__name__}", f"{header.__name__}.{len(client)}@elsewhere.test"
    with ProxiedSmtp(node.ports["smtp"], header(client)) as smtp:
        smtp.sendmail(sender, [JANE], f"Subject: {subject}\r\n\r\nx\r\n")
    shown = f"[IPv6:{client}]" if ":" in client else f"[{client}]"
    assert f"({shown})" in read_inbox(node, subject).decode()
    (told,) = until(lambda: node.json("mail", "trace", "--sender", sender))
    assert told["events"][0]["client"] == client


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize("header", [proxy_v1, proxy_v2])
@pytest.mark.parametrize("service", ALL)
def test_every_service_takes_the_header_before_all_else_also_before_tls(node: Node, service: str, header: Header) -> None:
    tls = service in ("submissions", "imaps", "pop3s", "https", "admins")
    with Wire(node.ports[service], first=header(FAR), tls=tls) as wire:
        if service.startswith("http"):
            wire.send("GET /health/live HTTP/1.1\r\nHost: mx\r\n")
        assert wire.line().startswith((b"220 ", b"* OK ", b"+OK ", b'"IMPLEMENTATION"', b"HTTP/1.1 200"))


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize("service", ALL)
def test_no_service_answers_a_balancer_without_a_header(node: Node, service: str) -> None:
    with Wire(node.ports[service], first=b"GET /health/live HTTP/1.1\r\nHost: mx\r\n\r\n") as wire:
        assert wire.ends()


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize(
    "header", [b"PROXY UNKNOWN\r\n", b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"], ids=["v1 UNKNOWN", "v2 LOCAL"]
)
def test_a_balancer_may_speak_for_itself(node: Node, header: bytes) -> None:
    with SmtpWire(node.ports["smtp"], first=header) as wire:
        assert "AUTH PLAIN" in wire.greeted()


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize(
    "header", [b"EHLO client\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 ::1 ::2 1 2\r\n", b"\x16\x03\x01"]
)
def test_a_balancer_without_a_right_header_gets_no_service(node: Node, header: bytes) -> None:
    with SmtpWire(node.ports["smtp"], first=header) as wire:
        assert wire.ends()


@pytest.mark.spec_part("DEP-6")
def test_others_cannot_give_themselves_an_address(node: Node) -> None:
    peer = socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=30, source_address=("127.0.0.2", 0))
    with peer, peer.makefile("rb") as lines:
        assert lines.readline().startswith(b"220 ")
        peer.sendall(proxy_v1("198.51.100.7"))
        assert lines.readline().startswith(b"500 ")


class Balancer:
    """A layer-4 balancer: takes turns among its nodes, and says who the client is by a PROXY header."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        turn = 0
        while True:
            client, (address, port) = self._listener.accept()
            if address == "127.0.0.9":
                client.close()
                return
            node = socket.create_connection(("127.0.0.1", self._ports[turn % len(self._ports)]))
            node.sendall((proxy_v1, proxy_v2)[turn % 2](address, port))
            turn += 1
            for source, target in ((client, node), (node, client)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, target), daemon=True))
                self._threads[-1].start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        socket.create_connection(("127.0.0.1", self.port), source_address=("127.0.0.9", 0)).close()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()


@pytest.mark.spec("DEP-6")
def test_nodes_behind_a_balancer_share_the_load_and_know_the_true_client(
    node: Node, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("second"), services=("smtp", "imap"), name="mx2.example.test") as second:
        second.run("smtp", "set", "proxy_networks", "127.0.0.1/32")
        until(lambda: all(knows_the_balancer(second) for _ in range(6)))
        balancer = Balancer([node.ports["smtp"], second.ports["smtp"]])
        for number in range(4):
            source = ("127.0.0.3", 0)
            with smtplib.SMTP("127.0.0.1", balancer.port, timeout=30, source_address=source) as client:
                client.sendmail(STRANGER, [JANE], f"Subject: balanced {number}\r\n\r\nx\r\n")
        balancer.close()
        for number in range(4):
            name = (b"mx.example.test", b"mx2.example.test")[number % 2]
            header = read_inbox((node, second)[number % 2], f"balanced {number}")
            assert b"([127.0.0.3]) by " + name in header.replace(b"\r\n\t", b" ")


@pytest.mark.spec_part("TLS-1", "INB-3")
@pytest.mark.parametrize("service", ["smtp", "submission"])
def test_smtp_offers_and_takes_no_login_in_clear_text(node: Node, service: str) -> None:
    with SmtpWire(node.ports[service], first=proxy_v1(FAR)) as wire:
        assert "AUTH" not in wire.greeted()
        assert wire.ask(f"AUTH PLAIN {PLAIN}")[:3] in ("502", "503", "504", "530", "538")
        assert wire.ask("STARTTLS").startswith("220")
        wire.start_tls()
        assert "AUTH PLAIN LOGIN SCRAM-SHA-256" in wire.ask("EHLO client.elsewhere.test")
        assert wire.ask(f"AUTH PLAIN {PLAIN}").startswith("235")


@pytest.mark.spec_part("TLS-1")
def test_imap_disables_login_in_clear_text(node: Node) -> None:
    with ImapWire(node.ports["imap"], first=proxy_v1(FAR)) as wire:
        assert "LOGINDISABLED" in wire.greeting
        assert "AUTH=PLAIN" not in wire.greeting
        assert wire.ask(f'LOGIN "{JANE}" "{PASSWORD}"').end.startswith("NO [PRIVACYREQUIRED]")
        assert not wire.ask(f"AUTHENTICATE PLAIN {PLAIN}").end.startswith("OK")
        wire.starttls()
        assert "LOGINDISABLED" not in wire.good("CAPABILITY").lines[0].decode()
        wire.login(JANE)


@pytest.mark.spec_part("TLS-1")
def test_pop_takes_no_password_in_clear_text(node: Node) -> None:
    with Wire(node.ports["pop3"], first=proxy_v1(FAR)) as wire:
        wire.line()
        for command in (f"USER {JANE}", f"PASS {PASSWORD}", f"AUTH PLAIN {PLAIN}"):
            wire.send(command)
            assert wire.line().startswith(b"-ERR")
        wire.send("STLS")
        assert wire.line().startswith(b"+OK")
        wire.start_tls()
        wire.send(f"USER {JANE}")
        assert wire.line().startswith(b"+OK")
        wire.send(f"PASS {PASSWORD}")
        assert wire.line().startswith(b"+OK")


@pytest.mark.spec_part("TLS-1")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("service", ["submissions", "imaps", "pop3s"])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(node: Node, service: str, version: ssl.TLSVersion) -> None:
    def greeted(lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> bytes:
        context = trusting_tls()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = lowest, highest
        with Wire(node.ports[service], first=proxy_v1(FAR)) as wire:
            wire.start_tls(context)
            return wire.line()

    assert greeted(version, version)
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        greeted(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)


def seconds_to_log_in(node: Node, user: str, password: str, client: str) -> float:
    """How long the answer to a login over submission takes, on a connection of its own."""
    with ProxiedSmtp(node.ports["submission"], proxy_v1(client)) as smtp:
        smtp.starttls(context=trusting_tls())
        smtp.ehlo()
        smtp.user, smtp.password = user, password
        start = time.monotonic()
        try:
            assert smtp.auth("PLAIN", smtp.auth_plain)[0] == 235
        except smtplib.SMTPAuthenticationError as refused:
            assert refused.smtp_code == 535
            assert password == "wrong"
        return time.monotonic() - start


@pytest.mark.spec_part("INB-3")
def test_guessing_is_slowed_for_the_guesser_and_not_for_the_owner(node: Node) -> None:
    node.add_user("target@example.test")
    taken = [seconds_to_log_in(node, "target@example.test", "wrong", "192.0.2.66") for _ in range(5)]
    assert taken[0] >= 0.1
    assert taken[4] >= 0.8, "the delay doubles, over whichever worker the connection comes"
    assert seconds_to_log_in(node, "target@example.test", PASSWORD, "192.0.2.67") < 0.6


def relays(node: Node, client: str, *, login: bool = False, recipient: str = "someone@far.test") -> bool:
    """Whether this client may send to a stranger's domain; the transaction ends before any message."""
    with ProxiedSmtp(node.ports["smtp"], proxy_v1(client)) as smtp:
        if login:
            smtp.starttls(context=trusting_tls())
            smtp.login(JANE, PASSWORD)
        smtp.ehlo_or_helo_if_needed()
        smtp.mail(STRANGER)
        code, text = smtp.rcpt(recipient)
        assert code in (250, 550), (code, text)
        return code == 250


@pytest.mark.spec("NET-4")
def test_relaying_is_for_local_domains_users_and_the_relay_list_only(node: Node) -> None:
    assert not relays(node, FAR)
    assert relays(node, FAR, recipient=JANE)
    assert relays(node, FAR, login=True)
    assert relays(node, LISTED)
    assert not relays(node, "198.51.101.7")
    assert relays(node, "203.0.113.20"), "the host of a listed domain, its PTR and A records agreeing"
    assert relays(node, "2001:db8::20"), "the same by IPv6"
    assert not relays(node, "203.0.113.21"), "the A record names another address"
    assert not relays(node, "203.0.113.22"), "the PTR record's name has no address"
    assert not relays(node, "203.0.113.23"), "a domain that only ends like a listed one"
    assert not relays(node, "203.0.113.24"), "no PTR record"
    assert relays(node, FAR, recipient="someone@sub.partner.test"), "to a listed domain"
