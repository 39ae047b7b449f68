"""Mail moves out to a real Dovecot, and to another Posthouse, with folders, flags, keywords and dates, whatever is killed."""

from __future__ import annotations

import functools
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from posthouse.backends.targets.appending import Appending
from posthouse.interfaces.mail_source import Letter
from posthouse.model import utf7
from support import dovecot
from support.dovecot import Dovecot, running_dovecot
from support.foreign_imap import Contents, contents, ended, grown, put, raw
from support.migrating import letters
from support.node import PASSWORD, POSTHOUSE, Node, running, until

FOLDERS = {"INBOX": 120, "Sent": 30, "Work": 40, "Work/2026": 40, "Grüße & Maß": 20, "List.dev": 10}
MORE = 2_000


def fill(node: Node) -> None:
    client = node.imap("jane@example.test")
    for seed, (name, count) in enumerate(FOLDERS.items()):
        if name not in ("INBOX", "Sent"):
            client.create(raw(name))
            client.subscribe(raw(name))
        put(client, name, count, seed)
    client.logout()


def ours(node: Node) -> dict[str, Contents]:
    client = node.imap("jane@example.test")
    there = contents(client)
    client.logout()
    return there


def theirs(server: Dovecot, login: str) -> dict[str, Contents]:
    client = server.imap(login)
    there = contents(client)
    client.logout()
    return there


def push(node: Node, port: int, login: str, *more: str, password: str = dovecot.PASSWORD, tls: str = "off") -> dict[str, Any]:
    words = pushing(port, login, tls)
    shown: dict[str, Any] = json.loads(node.run(*words, *more, "--json", stdin=password + "\n").stdout)
    return shown


def pushing(port: int, login: str, tls: str = "off") -> tuple[str, ...]:
    return (
        "migration",
        "push",
        "jane@example.test",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--tls",
        tls,
        "--login",
        login,
    )


def full(folders: dict[str, Contents]) -> dict[str, Contents]:
    return {name: each for name, each in folders.items() if each}


@pytest.mark.spec_part("PLN-4")
def test_all_mail_goes_to_dovecot_and_a_delta_follows(tmp_path: Path) -> None:
    with running_dovecot() as server, running(tmp_path, services=("imap",)) as node:
        jane = server.imap("jane")
        jane.create("Sent-Messages")  # what its LIST says is for Sent
        put(jane, "INBOX", 3, 77)
        was_there = contents(jane)["INBOX"]
        jane.logout()
        fill(node)
        job = ended(node, push(node, server.port, "jane")["job"])
        assert (job["state"], job["failed"], job["copied"]) == ("done", 0, sum(FOLDERS.values())), job
        sent = full(ours(node))
        sent["Sent-Messages"] = sent.pop("Sent")
        sent["List_dev"] = sent.pop("List.dev")  # Dovecot allows no dots there
        sent["INBOX"] += was_there
        assert full(theirs(server, "jane")) == sent
        jane = server.imap("jane")
        assert utf7.encode("Grüße & Maß") in b"".join(each for each in jane.lsub()[1] if isinstance(each, bytes))
        jane.logout()

        client = node.imap("jane@example.test")
        put(client, "Work", 7, 900)
        client.select("INBOX")
        client.store("1:5", "+FLAGS", r"(\Flagged Later)")
        client.store("6:8", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()
        node.run("migration", "delta", job["job"], "--remove", "--password", "-", stdin=dovecot.PASSWORD + "\n")
        delta = ended(node, job["job"])
        assert (delta["copied"] - job["copied"], delta["updated"], delta["removed"]) == (7, 5, 3), delta
        sent = full(ours(node))
        sent.pop("Deleted Messages", None)
        sent["INBOX"] += was_there
        sent["Sent-Messages"] = sent.pop("Sent")
        sent["List_dev"] = sent.pop("List.dev")
        there = full(theirs(server, "jane"))
        there.pop("Deleted Messages", None)
        assert there == sent


@pytest.mark.spec_part("PLN-4")
def test_a_push_that_is_killed_again_and_again_neither_loses_nor_doubles(tmp_path: Path) -> None:
    chance, total = random.Random(5), sum(FOLDERS.values()) + MORE
    with running_dovecot(separator=".", prefix="INBOX.") as server, running(tmp_path, services=("imap",), workers=1) as node:
        fill(node)
        client = node.imap("jane@example.test")
        quickly = Appending(frozenset(("LITERAL+", "MULTIAPPEND")))
        more = [Letter(str(at), each.flags, each.received_at, each.content) for at, each in enumerate(letters(MORE, 99))]
        for at in range(0, MORE, 100):
            quickly.append(client, b"Work", [(each.flags, each) for each in more[at : at + 100]])
        client.logout()
        words = [*POSTHOUSE, "--config", str(node.config), *pushing(server.port, "omar"), "--password", dovecot.PASSWORD]
        asking = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kills, reached = 0, 0
        while kills < 5 and reached < total * 3 // 4:
            reached = until(functools.partial(grown, node, reached + chance.randrange(5, 200)), 30, 0.002)
            node.kill()
            kills += 1
            node.start()
        asking.wait(60)
        assert kills >= 3
        done = ended(node, node.json("migration", "list")[0]["job"])
        assert (done["state"], done["failed"], done["copied"]) == ("done", 0, total), done
        named = {"INBOX": "INBOX", "List.dev": "INBOX.List_dev"}
        wanted = {named.get(name, "INBOX." + name.replace("/", ".")): each for name, each in full(ours(node)).items()}
        assert full(theirs(server, "omar")) == wanted


@pytest.mark.spec_part("PLN-4")
def test_mail_goes_to_another_posthouse(tmp_path: Path) -> None:
    with running(tmp_path / "old", services=("imap",), workers=1) as old, running(tmp_path / "new", services=("imap",)) as new:
        fill(old)
        job = push(old, new.ports["imap"], "jane@example.test", "--unverified", tls="starttls", password=PASSWORD)
        done = ended(old, job["job"])
        assert (done["state"], done["failed"], done["copied"]) == ("done", 0, sum(FOLDERS.values())), done
        assert full(ours(new)) == full(ours(old))
        alone = push(
            old, new.ports["imap"], "omar@example.org", "--mailbox", "Work", "--unverified", tls="starttls", password=PASSWORD
        )
        assert ended(old, alone["job"])["copied"] == FOLDERS["Work"]


def test_a_full_quota_there_stops_it_with_the_reason(tmp_path: Path) -> None:
    with running(tmp_path / "old", services=("imap",), workers=1) as old, running(tmp_path / "new", services=("imap",)) as new:
        fill(old)
        new.run("user", "set", "jane@example.test", "--quota-bytes", "20K")
        job = push(old, new.ports["imap"], "jane@example.test", "--unverified", tls="starttls", password=PASSWORD)
        failed = ended(old, job["job"])
        assert (failed["state"], "OVERQUOTA" in failed["reason"]) == ("failed", True), failed
        new.run("user", "set", "jane@example.test", "--quota-bytes", "none")
        old.run("migration", "resume", job["job"])
        assert ended(old, job["job"])["state"] == "done"
        assert full(ours(new)) == full(ours(old))


def test_passwords_are_not_kept_in_clear_nor_longer_than_needed(tmp_path: Path) -> None:
    secret = "a-password-of-elsewhere"

    def traces(node: Node) -> list[str]:
        data = node.folder / "data"
        return [str(path) for path in data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]

    with running(tmp_path, services=("imap",), workers=1) as node:
        job = push(node, 9, "jane", password=secret)["job"]  # no one listens there
        until(lambda: node.json("migration", "show", job)["state"] in ("running", "failed"), 20)
        assert traces(node) == []
        key = node.folder / "data" / "secrets.key"
        assert key.stat().st_mode & 0o777 == 0o600
        node.stop()
        assert traces(node) == []
        assert secret not in node.log()
        key.unlink()  # as after a restore from a backup, which has no key
        node.start()
        failed = ended(node, job)
        assert (failed["state"], "password" in failed["reason"]) == ("failed", True), failed
