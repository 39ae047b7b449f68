"""Two security gateways in front of other mail systems (DEP-3): each user's host is looked up in a directory that looks like
Active Directory; mail is scanned; spam is marked, or held in a quarantine.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from support.clamav import MARKER, Clamd
from support.desk import Desk
from support.node import Node, until
from support.scripted_host import ScriptedHost, in_background
from support.slapd import BASE, PASSWORD, READER, Slapd, dn, person
from support.spam_engines import GTUBE

SETTINGS = {
    "smtp.sender_check": "off",
    "smtp.tarpit_s": "0",
    "mailauth.verify": "off",
    "queue.first_retry_s": "0.3",
    "ldap.keep_s": "0",
    "ldap.keep_unknown_s": "0",
    "ldap.retry_s": "0.1",
    "ldap.retry_max_s": "0.5",
    "ldap.connect_timeout_s": "10",
    "ldap.search_timeout_s": "10",
}


class Site:
    """Two gateways, the directory that both ask, the two hosts behind them."""

    def __init__(self, gateways: Sequence[Node], desks: Sequence[Desk], slapd: Slapd, hosts: Sequence[ScriptedHost]) -> None:
        self.gateways = gateways
        self.desks = desks
        self.slapd = slapd
        self.exchange, self.postfix = hosts

    def set(self, key: str, value: str) -> None:
        for desk in self.desks:
            desk.set(key, value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        clamd = stack.enter_context(Clamd(folder / "clamd"))
        slapd = stack.enter_context(Slapd(folder / "slapd"))
        hosts = (ScriptedHost(), ScriptedHost())
        stack.enter_context(in_background(*hosts))
        gateways, desks = [], []
        for name in ("gw1", "gw2"):
            node = stack.enter_context(Node(folder / name, services=("smtp", "admin"), workers=1, name=f"{name}.example.test"))
            node.run("domain", "add", "example.test")
            desk = stack.enter_context(Desk(node))
            for key, value in {**SETTINGS, "antivirus.engines": clamd.tcp}.items():
                desk.set(key, value)
            until(lambda: send(node, "probe", "desk@example.test", body=MARKER).startswith("55"))  # noqa: B023 - by now all is set
            desk.ask(
                "ldapserver", "add", "ad", f"ldap://127.0.0.1:1,{slapd.url}", BASE, f"--password={PASSWORD}",
                f"bind_dn={READER}", "preset=active-directory", "domains=corp.test,corp.example",
            )  # fmt: skip
            gateways.append(node)
            desks.append(desk)
        for name, host in (("ann", hosts[0]), ("bob", hosts[1])):
            slapd.add(
                person(name, f"proxyAddresses: SMTP:{name}@corp.test", f"proxyAddresses: smtp:{name}@corp.example",
                       f"msExchHomeServerName: /o=Corp/cn=Configuration/cn=Servers/cn=127.0.0.1:{host.port}")
            )  # fmt: skip
        yield Site(gateways, desks, slapd, hosts)


def send(gateway: Node, subject: str, *recipients: str, body: bytes = b"Hi.") -> str:
    """The last reply to a stranger's message."""
    content = b"From: lena@elsewhere.test\r\nTo: ann@corp.test\r\nSubject: " + subject.encode() + b"\r\n\r\n" + body + b"\r\n"
    with gateway.smtp() as client:
        try:
            client.sendmail("lena@elsewhere.test", recipients, content)
        except smtplib.SMTPRecipientsRefused as error:
            [(code, text)] = set(error.recipients.values())
            return f"{code} {text.decode()}"
        except smtplib.SMTPDataError as error:
            return f"{error.smtp_code} {error.smtp_error!r}"
    return "250"


def got(host: ScriptedHost, subject: str) -> list[str]:
    """Whom a host has taken a message for, each time."""
    found = [heard for heard in host.heard if f"Subject: {subject}\r\n".encode() in heard.content]
    return sorted(line.partition("<")[2].partition(">")[0] for heard in found for line in heard.recipients)


@pytest.mark.spec("DEP-3")
def test_two_gateways_scan_and_route_by_the_directory_with_and_without_a_quarantine(site: Site) -> None:
    for number, gateway in enumerate(site.gateways):
        clean = f"clean by {number}"
        until(lambda: send(gateway, "probe", "ann@corp.test") == "250")  # noqa: B023 - called at once
        assert send(gateway, clean, "ann@corp.test", "Bob@corp.example") == "250"
        until(lambda: got(site.exchange, clean) and got(site.postfix, clean))  # noqa: B023
        assert (got(site.exchange, clean), got(site.postfix, clean)) == (["ann@corp.test"], ["Bob@corp.example"])
        assert send(gateway, "x", "nobody@corp.test").startswith("550 5.1.1")
        assert send(gateway, "x", "someone@elsewhere.test").startswith("550 5.7.1")
        assert send(gateway, "bad", "ann@corp.test", body=MARKER).startswith("55"), "scanned for viruses"
        spam = f"spam marked by {number}"
        assert send(gateway, spam, "bob@corp.test", body=GTUBE) == "250"
        until(lambda: got(site.postfix, spam))  # noqa: B023
        [marked] = [heard.content for heard in site.postfix.heard if spam.encode() in heard.content]
        assert b"\nX-Spam-Flag: YES" in marked and b"X-Junkmail-Status: score=" in marked

    site.set("junk.action", "quarantine")
    for number, (gateway, desk) in enumerate(zip(site.gateways, site.desks, strict=True)):
        until(lambda: held_now(gateway, desk))  # noqa: B023
        held = f"spam held by {number}"
        assert send(gateway, held, "ann@corp.test", body=GTUBE) == "250"
        row = next(line for line in desk.ask("quarantine", "list") if held in line)
        assert "ann@corp.test" in row
        assert got(site.exchange, held) == []
        desk.ask("quarantine", "release", row.split()[0].strip('"'))
        until(lambda: got(site.exchange, held))  # noqa: B023
    assert got(site.exchange, "bad") == []


def held_now(gateway: Node, desk: Desk) -> bool:
    """Whether spam is held by now."""
    send(gateway, "is it held", "bob@corp.test", body=GTUBE)
    return any("is it held" in line for line in desk.ask("quarantine", "list"))


@pytest.mark.spec_part("DEP-3", "RTE-2")
def test_a_dead_host_keeps_its_own_users_waiting_alone_and_a_moved_user_is_followed(site: Site) -> None:
    gateway = site.gateways[0]
    move(site, "ann", 1)
    assert send(gateway, "one of two", "ann@corp.test", "bob@corp.test") == "250"
    until(lambda: got(site.postfix, "one of two"))
    assert got(site.exchange, "one of two") == []
    move(site, "ann", site.postfix.port)
    assert send(gateway, "moved", "ann@corp.test") == "250"
    until(lambda: got(site.postfix, "moved") == ["ann@corp.test"])
    move(site, "ann", site.exchange.port)


def move(site: Site, name: str, port: int) -> None:
    """The directory says another host of a user."""
    attribute = "msExchHomeServerName"
    change = f"changetype: modify\nreplace: {attribute}\n{attribute}: /o=Corp/cn=Servers/cn=127.0.0.1:{port}\n"
    site.slapd.add(f"dn: {dn(name)}\n{change}")
