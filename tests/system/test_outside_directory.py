"""A node beside a real OpenLDAP server: masquerading (OUT-2), unknown recipients (INB-5), routes (RTE-2), groups (RTE-4)."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator

import pytest

from support.clients import Proxied, message_of
from support.desk import Desk
from support.node import PASSWORD, Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.slapd import BASE, READER, Slapd, dn, group, person
from support.slapd import PASSWORD as LDAP_PASSWORD

JANE, OMAR = "jane@example.test", "omar@example.org"
CLIENTS = itertools.count(1)
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


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    with running(folder, services=("smtp", "submission", "imap", "admin"), workers=1, name="mx.example.test") as made:
        made.run("smtp", "set", "proxy_networks", "127.0.0.2/32")
        yield made


@pytest.fixture(scope="module")
def desk(node: Node) -> Iterator[Desk]:
    with Desk(node) as made:
        for key, value in SETTINGS.items():
            made.set(key, value)
        yield made


def add_server(desk: Desk, slapd: Slapd, name: str, *terms: str, urls: str = "") -> None:
    """A directory that is read with the reader's password."""
    desk.ask("ldapserver", "add", name, urls or slapd.url, BASE, f"--password={LDAP_PASSWORD}", f"bind_dn={READER}", *terms)


def submit(node: Node, sender: str, author: str, subject: str, *more: str) -> None:
    """By Jane, to Omar."""
    with node.smtp("submission") as client:
        client.login(JANE, PASSWORD)
        lines = (f"From: {author}", f"Subject: {subject}", *more, "", "Hi.", "")
        client.sendmail(sender, [OMAR], "\r\n".join(lines).encode())


def as_kept(node: Node, subject: str) -> list[str]:
    """Whom Omar's copy is from: Return-Path, From and Reply-To."""
    head = message_of(node, OMAR, subject).decode().partition("\r\n\r\n")[0].split("\r\n")
    return [line for line in head if line.startswith(("Return-Path:", "From:", "Reply-To:"))]


@pytest.mark.spec("OUT-2")
def test_senders_are_written_as_one_domain_by_the_settings_and_by_ldap(node: Node, desk: Desk, slapd: Slapd) -> None:
    """In envelope and header: by a map in the settings, by a domain's entry, and by the entry of the address itself."""
    slapd.add(
        person("jane", f"mail: {JANE}", "mailAlternateAddress: jd@old.example.test")
        + person("branches", "mailLocalAddress: branch.test", "mailMask: example.test")
    )
    desk.set("submission.sender", "any")
    desk.set("submission.masquerade", "host1.example.test=example.test,.lab.test=example.test")
    submit(node, JANE, JANE, "as it is")
    assert as_kept(node, "as it is") == [f"Return-Path: <{JANE}>", f"From: {JANE}"]
    submit(node, "jane@host1.example.test", "Jane <jane@deep.lab.test>", "by settings", "Reply-To: jane@host1.example.test")
    assert as_kept(node, "by settings") == [f"Return-Path: <{JANE}>", f"From: Jane <{JANE}>", f"Reply-To: {JANE}"]
    submit(node, "jd@old.example.test", "x@branch.test", "before ldap")
    assert as_kept(node, "before ldap") == ["Return-Path: <jd@old.example.test>", "From: x@branch.test"]

    add_server(desk, slapd, "masks", "uses=masquerade", "domain_filter=(mailLocalAddress=%d)", "masquerade=mailMask")

    def masked(subject: str) -> bool:
        submit(node, "jd@old.example.test", "Jane <JD@old.example.test>", subject, "Reply-To: any.one@branch.test")
        return as_kept(node, subject)[0] == f"Return-Path: <{JANE}>"

    until(lambda: masked(f"by ldap {len(desk.ask('mail', 'trace', '--sender', JANE))}"))
    assert masked("by ldap at last")
    assert as_kept(node, "by ldap at last") == [
        f"Return-Path: <{JANE}>", f"From: Jane <{JANE}>", "Reply-To: any.one@example.test",
    ]  # fmt: skip
    submit(node, "jane@host1.example.test", "nobody@other.test", "others stay")
    assert as_kept(node, "others stay") == [f"Return-Path: <{JANE}>", "From: nobody@other.test"]
    desk.set("submission.sender", "refuse")
    submit(node, "jd@old.example.test", "jd@old.example.test", "what is written in its place is her own")
    desk.ask("ldapserver", "delete", "masks")
    desk.ask("setting", "reset", "submission.masquerade")


def rcpt(node: Node, *addresses: str) -> list[str]:
    """The answers to RCPT TO, to one client that nobody knows yet."""
    with Proxied(node.ports["smtp"], f"198.18.0.{next(CLIENTS) % 250 + 1}") as client:
        client.ehlo()
        client.mail("x@elsewhere.test")
        answers = [client.rcpt(address) for address in addresses]
    return [f"{code} {text.decode()}" for code, text in answers]


def taken(node: Node, address: str) -> bool:
    """Whether mail for an address is taken now."""
    return rcpt(node, address)[0].startswith("250")


def why(desk: Desk, address: str) -> str:
    """What the traces say of mail for an address."""
    return "".join(desk.ask("mail", "trace", "--recipient", address))


@pytest.fixture(scope="module")
def people(slapd: Slapd) -> None:
    """The directory of a company, and the one of another that runs Exchange."""
    slapd.add(
        person("mei", "mail: mei@corp.test", "mailAlternateAddress: m@corp.test", "mailHost: 127.0.0.1:1")
        + person("paul", "mail: paul@corp.test")
        + person("ann", "proxyAddresses: SMTP:ann@exchange.test", "proxyAddresses: smtp:a.b@exchange.test",
                 "proxyAddresses: X500:/o=x/cn=ann", "mail: ann@exchange.test",
                 "msExchHomeServerName: /o=Corp/ou=First/cn=Configuration/cn=Servers/cn=EX01")
        + person("bob", "proxyAddresses: smtp:bob@exchange.test", "targetAddress: SMTP:jane@example.test")
    )  # fmt: skip


@pytest.mark.spec("INB-5")
def test_recipients_are_checked_by_any_source_that_is_set(node: Node, desk: Desk, slapd: Slapd, people: None) -> None:
    """Always in domains of the node's own; in others by the routing table, the directory, LDAP, the host behind."""
    host = ScriptedHost(lambda step, _, argument: "550 5.1.1 no" if step == "RCPT" and "<behind@" not in argument else None)
    with in_background(host):
        desk.ask("route", "add", "checked.test", f"127.0.0.1:{host.port}")
        answers = rcpt(node, "nobody@example.test", "nobody@checked.test")
        assert [answer[:9] for answer in answers] == ["550 5.1.1", "250 2.1.5"], "off for others at first"
        desk.ask("route", "add", "routed@checked.test", f"127.0.0.1:{host.port}")
        desk.ask("domain", "add", "checked.test")
        desk.ask("user", "add", "user@checked.test", PASSWORD)
        slapd.add(person("outside", "mail: outside@checked.test"))
        add_server(desk, slapd, "checked", "domains=checked.test", "uses=recipients")
        known = ["outside"]
        for source, name in (("routes", "routed"), ("directory", "user"), ("call-forward", "behind")):
            desk.set("smtp.recipient_check", source)
            known_now = [*known, name]
            until(lambda: checked(node) == sorted(known_now))  # noqa: B023 - called at once
        desk.set("smtp.recipient_check", "routes,directory,ldap,call-forward")
        until(lambda: checked(node) == ["behind", "outside", "routed", "user"])
        assert all("550 5.1.1" in answer for answer in rcpt(node, *(f"x{number}@checked.test" for number in range(3))))
        with desk.settings(harvest_free="0", harvest_delay_s="1", harvest_delay_max_s="1"):
            until(lambda: slowed(node, "checked.test"))
            assert slowed(node, "example.test")
    desk.ask("setting", "reset", "smtp.recipient_check")
    desk.ask("ldapserver", "delete", "checked")
    for target in ("checked.test", "routed@checked.test"):
        desk.ask("route", "delete", target)


def checked(node: Node) -> list[str]:
    """Who is taken of five, one of whom nobody knows."""
    names = ("behind", "nobody", "outside", "routed", "user")
    answers = rcpt(node, *(f"{name}@checked.test" for name in names))
    return [name for name, answer in zip(names, answers, strict=True) if answer.startswith("250")]


@pytest.mark.spec_part("INB-5")
def test_recipients_that_ldap_does_not_know_are_refused_and_put_off_while_it_is_dead(
    node: Node, desk: Desk, slapd: Slapd, people: None
) -> None:
    desk.ask("route", "add", "corp.test", "127.0.0.1:1")
    assert taken(node, "nobody@corp.test"), "off by default"
    add_server(desk, slapd, "corp", "domains=corp.test", "uses=recipients")
    until(lambda: rcpt(node, "nobody@corp.test")[0].startswith("550 5.1.1"))
    known = rcpt(node, "MEI@corp.test", "m@corp.test", "mei+x@corp.test", "paul@corp.test")
    assert [answer[:3] for answer in known] == ["250"] * 4
    assert (
        rcpt(node, '"*"@corp.test', '"mei@corp.test)(mail=*"@corp.test', "m*@corp.test") == ["550 5.1.1 No such user here"] * 3
    )
    until(lambda: "nobody@corp.test is not known to LDAP" in why(desk, "nobody@corp.test"))
    slapd.kill()
    until(lambda: rcpt(node, "mei@corp.test")[0].startswith("451"))
    until(lambda: f"LDAP server corp: {slapd.url}: " in why(desk, "mei@corp.test"))
    with desk.settings(recipient_check_failure="accept"):
        until(lambda: taken(node, "mei@corp.test"))
    slapd.start()
    until(lambda: taken(node, "mei@corp.test"))
    desk.ask("ldapserver", "delete", "corp")
    desk.ask("route", "delete", "corp.test")


def slowed(node: Node, domain: str) -> bool:
    """Whether a client's commands take longer after some unknown recipients."""
    began = time.monotonic()
    rcpt(node, *(f"x{number}@{domain}" for number in range(2)))
    return time.monotonic() - began >= 1


def arrived(host: ScriptedHost) -> list[str]:
    """Whom the host has taken mail for, each time."""
    return sorted(line.partition("<")[2].partition(">")[0] for heard in host.heard for line in heard.recipients)


def send(node: Node, subject: str, *recipients: str) -> None:
    with node.smtp() as client:
        client.sendmail("x@elsewhere.test", list(recipients), f"Subject: {subject}\r\n\r\nHi.\r\n".encode())


@pytest.mark.spec("RTE-2")
def test_mail_goes_where_ldap_says_by_any_of_several_servers(node: Node, desk: Desk, slapd: Slapd, people: None) -> None:
    """``mail``, ``mailAlternateAddress``, ``mailLocalAddress``, ``mailHost``, ``mailRoutingAddress``; TLS; failover; kept
    answers; a filter and attribute names of one's own; Exchange's attributes in Active Directory."""
    one, two, ex01 = ScriptedHost(), ScriptedHost(), ScriptedHost()
    with in_background(one, two, ex01):
        slapd.add(
            f"dn: {dn('mei')}\nchangetype: modify\nreplace: mailHost\nmailHost: 127.0.0.1:{one.port}\n-\n"
            "add: mailLocalAddress\nmailLocalAddress: mei@local.corp.test\n\n"
            f"dn: {dn('paul')}\nchangetype: modify\nadd: mailHost\nmailHost: 127.0.0.1:{two.port}\n-\nadd: mailRoutingAddress\n"
            "mailRoutingAddress: paul@inner.test\n\n"
            f"dn: {dn('ann')}\nchangetype: modify\nreplace: msExchHomeServerName\n"
            f"msExchHomeServerName: /o=Corp/cn=Servers/cn=127.0.0.1:{ex01.port}\n"
        )
        dead = "ldap://127.0.0.1:1"
        terms = ("domains=corp.test,local.corp.test", "tls=starttls", f"ca_file={slapd.ca_file}")
        assert rcpt(node, "mei@corp.test")[0].startswith("550 5.7.1"), "not ours yet"
        add_server(desk, slapd, "corp", *terms, urls=f"{dead},{slapd.url}")
        until(lambda: taken(node, "mei@corp.test"))
        assert [answer[:9] for answer in rcpt(node, "nobody@corp.test", "x@other.test")] == ["550 5.1.1", "550 5.7.1"]
        send(node, "by ldap", "mei@corp.test", "m@corp.test", "mei@local.corp.test", "paul@corp.test", JANE)
        until(lambda: len(arrived(one)) == 3 and arrived(two))
        assert arrived(one) == ["m@corp.test", "mei@corp.test", "mei@local.corp.test"]
        assert arrived(two) == ["paul@inner.test"]
        until(lambda: "mei@corp.test is ours, led by LDAP to 127.0.0.1" in why(desk, "mei@corp.test"))

        desk.ask("route", "add", "mei@corp.test", f"127.0.0.1:{two.port}")
        send(node, "by the table", "mei@corp.test")
        until(lambda: arrived(two) == ["mei@corp.test", "paul@inner.test"])
        desk.ask("route", "delete", "mei@corp.test")

        tried = desk.ask("ldapserver", "test", "corp")
        assert dead in tried[0] and "answers" not in tried[0]
        assert slapd.url in tried[1] and "answers" in tried[1]
        assert f"m@corp.test by 127.0.0.1:{one.port}" in "".join(desk.ask("ldapserver", "lookup", "m@corp.test"))
        assert LDAP_PASSWORD not in "".join(desk.ask("ldapserver", "show", "corp") + desk.ask("audit", "list"))

        with kept_for(desk, "600"):
            until(lambda: taken(node, "mei@corp.test"))
            assert rcpt(node, "new@corp.test")[0].startswith("550")
            slapd.kill()
            assert taken(node, "mei@corp.test"), "what was found is kept"
            assert rcpt(node, "new@corp.test")[0].startswith("550"), "and that there is nobody"
            assert rcpt(node, "m@corp.test")[0].startswith("451"), "what was not asked cannot be known"
            slapd.start()
        until(lambda: taken(node, "m@corp.test"))

        exchange = ("domains=exchange.test", "preset=active-directory")
        add_server(desk, slapd, "exchange", *exchange, f"ca_file={slapd.ca_file}", urls=slapd.ldaps)
        until(lambda: taken(node, "A.B@exchange.test"))
        send(node, "to exchange", "a.b@exchange.test", "bob@exchange.test")
        until(lambda: arrived(ex01) == ["a.b@exchange.test"])
        assert message_of(node, JANE, "to exchange")
        assert rcpt(node, "X500:/o=x/cn=ann@exchange.test", "/o=x/cn=ann@exchange.test")[1].startswith("550")

        desk.ask("ldapserver", "set", "exchange", "filter=(&(objectClass=inetOrgPerson)(cn=%u))", "host=sn", "preset=standard",
                 "host_suffix=corp.test")  # fmt: skip
        until(lambda: "mei@exchange.test by mei.corp.test" in "".join(desk.ask("ldapserver", "lookup", "mei@exchange.test")))
        desk.ask("ldapserver", "set", "exchange", "ca_file=")
        until(lambda: rcpt(node, "mei@exchange.test")[0].startswith("451"))
        assert "certificate verify failed" in "".join(desk.ask("ldapserver", "test", "exchange")).lower()
        for name in ("corp", "exchange"):
            desk.ask("ldapserver", "delete", name)


@contextlib.contextmanager
def kept_for(desk: Desk, seconds: str) -> Iterator[None]:
    """Answers are kept meanwhile."""
    for key in ("ldap.keep_s", "ldap.keep_unknown_s"):
        desk.set(key, seconds)
    yield
    for key in ("ldap.keep_s", "ldap.keep_unknown_s"):
        desk.set(key, "0")
    desk.ask("ldapserver", "set", "corp", "tls=off")


@pytest.mark.spec("RTE-4")
def test_addresses_are_taken_apart_before_routing_and_everybody_gets_one_copy(
    node: Node, desk: Desk, slapd: Slapd, people: None
) -> None:
    """An LDAP group of addresses and entries, with another in it and ways back to the first: among the addresses an alias,
    a list, a user who forwards, plus-addressing, a catch-all, and whom LDAP routes."""
    host = ScriptedHost()
    with in_background(host):
        slapd.add(
            person("lin", "mail: lin@groups.test", f"mailHost: 127.0.0.1:{host.port}")
            + group("all", "mail: all@groups.test", f"mgrpRFC822MailMember: {JANE}", "mgrpRFC822MailMember: list@example.test",
                    "mgrpRFC822MailMember: jane+news@example.test", "mgrpRFC822MailMember: ann@example.test",
                    "mgrpRFC822MailMember: whoever@catch.test", "mgrpRFC822MailMember: far@table.test",
                    f"uniqueMember: {dn('lin')}", f"uniqueMember: {dn('some', 'groups')}")
            + group("some", f"member: {dn('lin')}", f"member: {dn('all', 'groups')}", f"member: {dn('ad', 'groups')}",
                    kind="groupOfNames")
            + group("ad", "mail: ad@groups.test", f"member: {dn('some', 'groups')}", f"member: {dn('lin')}")
        )  # fmt: skip
        desk.ask("alias", "add", "list@example.test", "alias@example.test", OMAR, "all@groups.test", "ann@example.test")
        desk.ask("alias", "add", "alias@example.test", JANE, "list@example.test")
        desk.ask("user", "add", "ann@example.test", PASSWORD)
        desk.ask("forward", "set", "ann@example.test", JANE, "lin@groups.test", "--keep")
        desk.ask("domain", "add", "catch.test", f"--catch-all={OMAR}")
        desk.ask("route", "add", "table.test", f"127.0.0.1:{host.port}")
        add_server(desk, slapd, "groups", "domains=groups.test")
        until(lambda: taken(node, "all@groups.test"))
        send(node, "to all of them", "all@groups.test", "ad@groups.test", JANE)
        until(lambda: len(arrived(host)) >= 2)
        for user in (JANE, OMAR, "ann@example.test"):
            assert message_of(node, user, "to all of them"), "one copy"
        send(node, "a second one", "ann@example.test", "alias@example.test", "jane+news@example.test")
        until(lambda: len(arrived(host)) >= 4)
        assert arrived(host) == ["far@table.test", "far@table.test", "lin@groups.test", "lin@groups.test"]
        assert message_of(node, JANE, "a second one")
        slapd.add(
            group(
                "news", "mail: news@groups.test", f"member: {dn('lin')}", "mgrpAllowedBroadcaster: mailto:press@elsewhere.test"
            )
            + group("talk", "mail: talk@groups.test", f"member: {dn('lin')}", "mgrpAllowedDomain: elsewhere.test")
        )
        answers = rcpt(node, "news@groups.test", "talk@groups.test")
        assert [answer[:9] for answer in answers] == ["550 5.7.1", "250 2.1.5"], "who may write to a group is kept to"
        with kept_for_groups(desk):
            until(lambda: rcpt(node, "all@groups.test")[0].startswith("451"))
        desk.ask("ldapserver", "delete", "groups")


@contextlib.contextmanager
def kept_for_groups(desk: Desk) -> Iterator[None]:
    """A group may have one member only meanwhile."""
    desk.set("ldap.max_members", "1")
    yield
    desk.ask("setting", "reset", "ldap.max_members")
