"""A node beside a real OpenLDAP server: masquerading (OUT-2), unknown recipients (INB-5), routes (RTE-2), groups (RTE-4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.clients import message_of
from support.desk import Desk
from support.node import PASSWORD, Node, running, until
from support.slapd import BASE, READER, Slapd, person
from support.slapd import PASSWORD as LDAP_PASSWORD

JANE, OMAR = "jane@example.test", "omar@example.org"
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
