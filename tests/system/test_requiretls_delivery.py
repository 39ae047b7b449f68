"""REQUIRETLS from a mail program to the next host, and back as a bounce (RFC 8689, INB-8), on a running node.

Each destination has a host at a loopback address of its own: with and without REQUIRETLS, with good and bad certificates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.authority import Authority
from support.clients import trusting_tls
from support.knot import Knot, free_port
from support.node import PASSWORD, Node, running, until
from support.scripted_host import EXTENSIONS, ScriptedHost, in_background, server_context
from support.sending import JANE, inbox, queue

ADDRESSES = {"able": "127.0.8.1", "unable": "127.0.8.2", "liar": "127.0.8.3", "clear": "127.0.8.4"}
MX = {
    "able": ["10 mx.able.test"],
    "unable": ["10 mx.unable.test"],
    "liar": ["10 mx.liar.test"],
    "clear": ["10 mx.clear.test"],
    "either": ["10 mx.unable.test", "15 mx.liar.test", "20 mx.able.test"],
}


@dataclass
class Net:
    node: Node
    hosts: dict[str, ScriptedHost]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    folder = tmp_path_factory.mktemp("require-tls")
    authority = Authority(folder / "authority")
    port = free_port()
    contexts = {name: authority.issue(f"mx.{name}.test").context(folder) for name in ("able", "unable")}
    hosts = {
        "able": ScriptedHost(address=ADDRESSES["able"], port=port, context=contexts["able"]),
        "unable": ScriptedHost(address=ADDRESSES["unable"], port=port, context=contexts["unable"]),
        "liar": ScriptedHost(address=ADDRESSES["liar"], port=port, context=server_context()),
        "clear": ScriptedHost(address=ADDRESSES["clear"], port=port),
    }
    for name in ("able", "liar", "clear"):
        hosts[name].extensions = (*EXTENSIONS, "REQUIRETLS")
    records = {(f"{name}.test", "MX"): values for name, values in MX.items()}
    records |= {(f"mx.{name}.test", "A"): [address] for name, address in ADDRESSES.items()}
    with (
        Knot(folder / "knot", records) as knot,
        in_background(*hosts.values()),
        running(folder / "node", workers=1, extra=knot.toml) as node,
    ):
        settings = {"port": str(port), "allow_loopback": "on", "first_retry_s": "600", "ca_file": str(authority.file)}
        for key, value in settings.items():
            node.run("setting", "set", f"queue.{key}", value)
        yield Net(node, hosts)


def send(net: Net, subject: str, domain: str, *options: str) -> None:
    with net.node.smtp("submission") as client:
        client.ehlo()
        client.starttls(context=trusting_tls())
        client.ehlo()
        client.login(JANE, PASSWORD)
        assert client.mail(JANE, ["REQUIRETLS", *options])[0] == 250
        assert client.rcpt(f"x@{domain}.test")[0] == 250
        text = f"From: <{JANE}>\r\nTo: <x@{domain}.test>\r\nSubject: {subject}\r\n\r\nfor few eyes\r\n"
        assert client.data(text)[0] == 250


def bounced(net: Net, subject: str) -> str:
    """The notice about a message, whole."""

    def look() -> str:
        found = [message.as_string() for message in inbox(net.node) if f"Subject: {subject}" in message.as_string()]
        return found[0] if found else ""

    return str(until(look))


@pytest.mark.spec_part("INB-8")
@pytest.mark.parametrize("service", ["smtp", "submission", "lmtp"])
def test_it_is_offered_and_taken_under_tls_alone(net: Net, service: str) -> None:
    with net.node.smtp(service) as client:
        client.putcmd("lhlo" if service == "lmtp" else "ehlo", "client.test")
        assert b"REQUIRETLS" not in client.getreply()[1].upper().split()
        client.docmd("MAIL", "FROM:<a@elsewhere.test> REQUIRETLS")
        client.rset()
        code, _ = client.docmd("MAIL", "FROM:<a@elsewhere.test> REQUIRETLS")
        assert code >= 500
        client.docmd("STARTTLS")
        client.sock = trusting_tls().wrap_socket(client.sock)  # type: ignore[arg-type]
        assert client.file is not None
        client.file.close()
        client.file = None
        client.putcmd("lhlo" if service == "lmtp" else "ehlo", "client.test")
        assert b"REQUIRETLS" in client.getreply()[1].upper().split()
        code, _ = client.docmd("MAIL", "FROM:<a@elsewhere.test> REQUIRETLS")
        assert code == (530 if service == "submission" else 250)


@pytest.mark.spec_part("INB-8", "OUT-7")
@pytest.mark.parametrize("domain", ["able", "either"])
def test_it_goes_on_to_the_host_that_proves_who_it_is_and_offers_it_too(net: Net, domain: str) -> None:
    before = len(net.hosts["able"].heard)
    send(net, f"on to {domain}", domain)
    until(lambda: len(net.hosts["able"].heard) > before)
    heard = net.hosts["able"].heard[-1]
    assert heard.tls
    assert "REQUIRETLS" in heard.sender.split()
    assert not any(b"few eyes" in each.content for name in ("unable", "liar", "clear") for each in net.hosts[name].heard)
    assert queue(net.node) == []


@pytest.mark.spec_part("INB-8", "OUT-7")
@pytest.mark.parametrize(("domain", "status"), [("unable", "5.7.30"), ("liar", "5.7.10"), ("clear", "5.7.10")])
def test_attack_where_no_host_has_it_the_message_goes_back_at_once_and_nothing_of_it_leaves(
    net: Net, domain: str, status: str
) -> None:
    send(net, f"not to {domain}", domain, "RET=FULL")
    notice = bounced(net, f"not to {domain}")
    assert f"Status: {status}" in notice
    assert "Action: failed" in notice
    assert "few eyes" not in notice, "RET=FULL does not count here (RFC 8689 §5)"
    assert net.hosts[domain].heard == []
    assert queue(net.node) == []
