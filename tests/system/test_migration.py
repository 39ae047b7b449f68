"""Mail moves in from a real Dovecot with folders, flags, keywords and dates, whatever is killed meanwhile; and out again."""

from __future__ import annotations

import functools
import json
import mailbox
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import dovecot
from support.dovecot import MASTER, MASTER_PASSWORD, Dovecot, running_dovecot
from support.foreign_imap import Contents, contents, ended, grown, put, raw
from support.node import PASSWORD, POSTHOUSE, Node, running, until

FOLDERS = [
    "INBOX",
    "Papierkorb",
    "Sent-Messages",
    "Work",
    "Work/2026",
    "Grüße & Maß",
    "a b",
    *(f"List/{n}" for n in range(23)),
]
MESSAGES = 2000
PLACES = {"Papierkorb": "Trash", "Sent-Messages": "Sent", "Drafts": "Drafts"}


def expected(server: Dovecot) -> dict[str, Contents]:
    client = server.imap()
    there = contents(client)
    client.logout()
    return {PLACES.get(name, name): each for name, each in there.items()}


def arrived(node: Node, address: str = "jane@example.test") -> dict[str, Contents]:
    client = node.imap(address)
    there = contents(client)
    client.logout()
    return there


def check_same(ours: dict[str, Contents], theirs: dict[str, Contents]) -> None:
    for name, each in theirs.items():
        assert ours[name] == each, name
    assert not [name for name, each in ours.items() if each and name not in theirs]


@pytest.fixture(scope="module")
def source() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        client = server.imap()
        for seed, name in enumerate(FOLDERS):
            if name != "INBOX":
                client.create(raw(name))
                client.subscribe(raw(name))
            count = MESSAGES // 4 if seed < 2 else MESSAGES // 2 // (len(FOLDERS) - 2)
            put(client, name, count, seed)
        client.logout()
        yield server


def start(node: Node, server: Dovecot, *more: str, password: str = dovecot.PASSWORD, login: str = "jane") -> dict[str, Any]:
    words = ("migration", "start", "jane@example.test", "--host", "127.0.0.1", "--port", str(server.port), "--tls", "off",
             "--login", login, *more, "--json")  # fmt: skip
    shown: dict[str, Any] = json.loads(node.run(*words, stdin=password + "\n").stdout)
    return shown


@pytest.mark.spec_part("PLN-4")
def test_all_mail_comes_from_dovecot_and_a_delta_follows(source: Dovecot, tmp_path: Path) -> None:
    with running(tmp_path, services=("imap",)) as node:
        job = ended(node, start(node, source)["job"])
        assert (job["state"], job["failed"], job["folders"]) == ("done", 0, len(FOLDERS))
        before = expected(source)
        assert job["copied"] == sum(each.total() for each in before.values())
        check_same(arrived(node), before)

        theirs = source.imap()
        put(theirs, "Work", 7, 900)
        theirs.select("INBOX")
        theirs.store("1:5", "+FLAGS", r"(\Flagged Later)")
        theirs.store("6:8", "+FLAGS", r"(\Deleted)")
        theirs.expunge()
        theirs.logout()
        forgotten = node.run("migration", "delta", job["job"], "--remove", check=False)
        assert (forgotten.returncode, "forgotten" in forgotten.stderr) == (1, True)
        node.run("migration", "delta", job["job"], "--remove", "--password", "-", stdin=dovecot.PASSWORD + "\n")
        delta = ended(node, job["job"])
        assert (delta["copied"] - job["copied"], delta["updated"], delta["removed"], delta["runs"]) == (7, 5, 3, 2)
        check_same(arrived(node), expected(source))


@pytest.mark.spec_part("PLN-4")
def test_a_migration_that_is_killed_again_and_again_neither_loses_nor_doubles(source: Dovecot, tmp_path: Path) -> None:
    chance = random.Random(7)
    with running(tmp_path, services=("imap",), workers=1) as node:
        words = ("migration", "start", "jane@example.test", "--host", "127.0.0.1", "--port", str(source.port), "--tls", "off")
        asking = subprocess.Popen(
            [*POSTHOUSE, "--config", str(node.config), *words, "--login", "jane", "--password", dovecot.PASSWORD],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        kills, reached = 0, 0
        while kills < 6 and reached < MESSAGES * 3 // 4:
            reached = until(functools.partial(grown, node, reached + chance.randrange(30, 300)), 30, 0.002)
            node.kill()
            kills += 1
            node.start()
        asking.wait(60)
        assert kills >= 3
        job = node.json("migration", "list")[0]["job"]
        done = ended(node, job)
        theirs = expected(source)
        assert (done["state"], done["failed"]) == ("done", 0)
        assert done["copied"] == sum(each.total() for each in theirs.values())
        check_same(arrived(node), theirs)
        assert node.run("store", "check").returncode == 0


@pytest.mark.spec_part("PLN-4")
@pytest.mark.parametrize("form", ["authzid", "star"])
def test_a_master_login_opens_the_users_mailboxes(source: Dovecot, tmp_path: Path, form: str) -> None:
    with running(tmp_path, services=("imap",), workers=1) as node:
        job = start(node, source, "--master", MASTER, "--master-form", form, "--into", "Old", password=MASTER_PASSWORD)
        done = ended(node, job["job"])
        assert (done["state"], done["failed"]) == ("done", 0)
        client = source.imap()
        theirs = {"Old" if name == "INBOX" else f"Old/{name}": each for name, each in contents(client).items()}
        client.logout()
        check_same(arrived(node), theirs)


def test_a_wrong_password_and_a_closed_port_fail_with_the_reason(source: Dovecot, tmp_path: Path) -> None:
    with running(tmp_path, services=("imap",), workers=1) as node:
        job = ended(node, start(node, source, password="wrong")["job"])
        assert job["state"] == "failed"
        assert "127.0.0.1 says" in job["reason"]
        refused = node.run("migration", "resume", job["job"], "--password", dovecot.PASSWORD)
        assert refused.returncode == 0
        assert ended(node, job["job"])["state"] == "done"
        assert "wrong" not in node.log() + node.run("audit", "list").stdout + node.run("migration", "list").stdout


def test_a_server_that_keeps_all_folders_below_inbox_is_taken_apart(tmp_path: Path) -> None:
    with running_dovecot(separator=".", prefix="INBOX.") as server:
        client = server.imap()
        client.create('"INBOX.Work.2026"')
        put(client, "INBOX", 3, 1)
        put(client, "INBOX.Work.2026", 4, 2)
        client.logout()
        with running(tmp_path, services=("imap",), workers=1) as node:
            done = ended(node, start(node, server)["job"])
            assert (done["state"], done["copied"]) == ("done", 7)
            there = arrived(node)
            assert {name: each.total() for name, each in there.items() if each} == {"INBOX": 3, "Work/2026": 4}


@pytest.mark.spec_part("PLN-4")
def test_an_administrator_brings_a_users_mail_from_one_posthouse_to_another(tmp_path: Path) -> None:
    with running(tmp_path / "old", services=("imap",), workers=1) as old, running(tmp_path / "new", services=("imap",)) as new:
        old.run("user", "add", "root@example.org", "--role", "administrator", "--password", "root-password")
        client = old.imap("jane@example.test")
        client.create("Work")
        put(client, "INBOX", 20, 1)
        put(client, "Work", 20, 2)
        client.logout()
        for form in ("authzid", "star", "hash"):
            words = ("migration", "start", "jane@example.test", "--host", "127.0.0.1", "--port", str(old.ports["imap"]),
                     "--tls", "starttls", "--unverified", "--master", "root@example.org", "--master-form", form,
                     "--into", form, "--json")  # fmt: skip
            job = json.loads(new.run(*words, stdin="root-password\n").stdout)
            done = ended(new, job["job"])
            assert (done["state"], done["copied"], done["failed"]) == ("done", 40, 0), done
        there, theirs = arrived(new), arrived(old)
        for form in ("authzid", "star", "hash"):
            assert there[form] == theirs["INBOX"]
            assert there[f"{form}/Work"] == theirs["Work"]
        assert "acting as a user" in old.log()
        again = ("migration", "start", "jane@example.test", "--host", "127.0.0.1", "--port", str(old.ports["imap"]))
        new.run(*again, "--tls", "starttls", stdin="root-password\n")
        assert "certificate" in new.json("migration", "list")[-1]["reason"]


@pytest.mark.spec_part("PLN-4")
def test_mail_goes_out_to_files_and_in_again_also_when_the_node_does_not_run(tmp_path: Path) -> None:
    with running(tmp_path / "node", services=("imap",), workers=1) as node:
        client = node.imap("jane@example.test")
        put(client, "INBOX", 30, 1)
        put(client, "Sent", 10, 2)
        client.logout()
        for form in ("mbox", "maildir"):
            out = str(tmp_path / form)
            job = node.json("mailbox", "export", "jane@example.test", out, "--format", form)
            assert ended(node, job["job"])["copied"] == 40
        assert len(mailbox.Maildir(tmp_path / "maildir", create=False)) == 30
        theirs = arrived(node)
        node.stop()
        for form in ("mbox", "maildir"):
            words = ("mailbox", "import", "omar@example.org", str(tmp_path / form), "--format", form, "--into", form)
            shown = node.json(*words)
            assert (shown["state"], shown["copied"]) == ("done", 40)
        node.start()
        there = arrived(node, "omar@example.org")
        for form in ("mbox", "maildir"):
            assert there[form] == theirs["INBOX"]
            assert there[f"{form}/Sent"] == theirs["Sent"]
        refused = node.run("mailbox", "import", "omar@example.org", "relative", "--format", "mbox", check=False)
        assert (refused.returncode, "must be absolute" in refused.stderr) == (1, True)


def test_only_administrators_of_the_node_migrate(tmp_path: Path) -> None:
    with running(tmp_path, services=("imap", "admin"), workers=1) as node:
        node.run("user", "add", "boss@example.test", "--role", "domain-administrator", "--password", PASSWORD)
        with socket.create_connection(("127.0.0.1", node.ports["admin"]), timeout=30) as link:
            link.sendall(f'a LOGIN boss@example.test "{PASSWORD}"\r\nb MAILBOX IMPORT jane@example.test /etc mbox\r\n'.encode())
            said = b""
            while b"\r\nb " not in said:
                said += link.recv(65536)
        assert b"may not run" in said.partition(b"\r\nb ")[2], said
        assert node.json("migration", "list") == []
