"""Quotas, undelete and expiry on the real program: by mail, by IMAP, by operations, and through SIGKILL."""

from __future__ import annotations

import contextlib
import imaplib
import random
import smtplib
import threading
import time
from pathlib import Path

import apsw
import pytest

from support.node import Node, running, until

JANE, OMAR = "jane@example.test", "omar@example.org"
ROUNDS = 6


def letter(size_bytes: int = 1000) -> bytes:
    return b"Subject: hello\r\n\r\n" + b"y" * size_bytes + b"\r\n"


def counted(node: Node, address: str) -> tuple[int, int]:
    """(messages, octets) of a user's mailboxes as IMAP tells them, without deleted ones."""
    client = node.imap(address)
    messages = size_bytes = 0
    for line in client.list()[1]:
        assert isinstance(line, bytes)
        name = line.decode().partition('"/" ')[2]
        words = client.status(name, "(MESSAGES SIZE)")[1][0].decode().rpartition("(")[2].rstrip(")").split()
        messages, size_bytes = messages + int(words[1]), size_bytes + int(words[3])
    client.logout()
    return messages, size_bytes


@pytest.mark.spec("STO-5")
def test_quotas_of_user_and_domain_with_grace_warning_and_both_answers(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as node:
        node.run("cos", "add", "small")
        node.run("cos", "set", "small", "--quota-bytes", "20K", "--quota-messages", "50")
        node.run("domain", "set", "example.test", "--cos", "small")
        client = node.imap(JANE)
        assert client.getquotaroot("INBOX")[1][1] == [f"{JANE} (STORAGE 0 20 MESSAGE 0 50)".encode()]
        for _ in range(17):
            assert client.append("INBOX", "", "", letter())[0] == "OK"
        until(lambda: int(client.status("INBOX", "(MESSAGES)")[1][0].split()[-1][:-1]) == 17)
        node.send(JANE, letter(900).decode())  # crosses 90 percent
        until(lambda: int(client.status("INBOX", "(MESSAGES)")[1][0].split()[-1][:-1]) == 19, 20)
        client.select("INBOX")
        [found] = client.search(None, "SUBJECT", '"Your mailbox is"')[1]
        assert found == b"19"
        assert client.append("Sent", "", "", letter(2_500))[1][0].startswith(b"[OVERQUOTA]")
        node.send(JANE, letter(1_000).decode())
        node.send(JANE, letter(600).decode())  # within the grace
        refusals = []
        for answer in ("temporary", "permanent"):
            node.run("setting", "set", "store.quota_full", answer)
            with pytest.raises(smtplib.SMTPException) as caught:
                until(lambda: node.send(JANE, letter(3_000).decode()))
            refusals.append(str(caught.value))
        assert "452" in refusals[0]
        assert "4.2.2" in refusals[0]
        assert "552" in refusals[1]
        assert "5.2.2" in refusals[1]
        with node.smtp() as smtp:
            assert list(smtp.sendmail("a@b.test", [JANE, OMAR], letter(3_000))) == [JANE], "the other one gets it"
        messages, size_bytes = counted(node, JANE)
        shown = node.json("quota", "show", JANE)
        assert (shown["messages"], shown["size_bytes"]) == (messages, size_bytes)
        assert shown["over_since"]
        client.create("Work/2026")
        node.run("mailbox", "limit", JANE, "Work", "--quota-messages", "1")
        node.run("user", "set", JANE, "--quota-bytes", "none")
        assert client.append("Work/2026", "", "", letter())[0] == "OK"
        assert client.append("Work", "", "", letter())[1][0].startswith(b"[OVERQUOTA]")
        node.run("domain", "set", "example.org", "--quota-messages", "2")
        node.send(OMAR, letter().decode())
        with pytest.raises(smtplib.SMTPException):
            node.send(OMAR, letter().decode())
        assert node.json("quota", "recount")["wrong"] == 0
        assert node.json("store", "check")["sound"]


@pytest.mark.spec("STO-2")
def test_deleted_messages_come_back_by_imap_and_by_operations(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as node:
        client = node.imap(JANE)
        client.create("Work/2026")
        for name in ("INBOX", "Work/2026", "Work"):
            for _ in range(3):
                client.append(name, "", "", letter())
        client.select("INBOX")
        client.store("1:2", "+FLAGS", "\\Deleted")
        client.expunge()
        pop = node.pop(JANE)
        pop.dele(1)
        pop.quit()
        client.delete("Work/2026")
        client.delete("Work")
        assert "Deleted" not in repr(client.list()[1])
        listed = node.json("undelete", "list", JANE)
        assert {row["mailbox"]: row["messages"] for row in listed} == {"INBOX": 3, "Work": 3, "Work/2026": 3}
        client.unselect()
        assert client.rename('"Deleted Messages/Work"', "Work")[0] == "OK"
        assert client.status("Work/2026", "(MESSAGES)")[1][0] == b"Work/2026 (MESSAGES 3)"
        client.select('"Deleted Messages/INBOX"')
        assert client.uid("MOVE", "1", "INBOX")[0] == "OK"
        assert node.json("undelete", "restore", JANE, "--mailbox", "INBOX")["messages"] == 2
        assert counted(node, JANE)[0] == 9
        node.run("cos", "add", "brief")
        node.run("cos", "set", "brief", "--undelete-bytes", "5K")
        node.run("user", "set", JANE, "--cos", "brief")
        client.select("Work")
        for _ in range(4):
            client.append("Work", "", "", letter())
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()
        kept = until(lambda: node.json("quota", "show", JANE)["deleted_bytes"])
        assert kept <= 5 << 10 and kept + 1100 > 5 * 1024 * 9 // 10, "the oldest went until a tenth was free"
        node.run("user", "set", JANE, "--undelete-bytes", "none")
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()
        assert node.json("quota", "show", JANE)["deleted_bytes"] == kept
        assert node.json("store", "check")["sound"]


def set_back(database: Path, name: str, days: int) -> None:
    """Lets time pass for the messages of all mailboxes of a name, on a stopped node."""
    connection = apsw.Connection(str(database))
    sql = "UPDATE message SET saved_at = saved_at - ? WHERE mailbox_id IN (SELECT mailbox_id FROM mailbox WHERE name = ?)"
    connection.execute(sql, (days * 86_400.0, name))
    connection.close()


@pytest.mark.spec("STO-6")
def test_messages_expire_by_age_on_schedule(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as node:
        client = node.imap(JANE)
        client.create("Old")
        for name, flags in (("Trash", ""), ("Old", ""), ("Old", "\\Seen"), ("Sent", "")):
            client.append(name, flags, "", letter())
        node.run("mailbox", "expire", JANE, "Old", "--days", "30", "--read-only")
        node.run("setting", "set", "store.expire_trash_days", "7")
        node.stop()
        for name, days in (("Trash", 8), ("Old", 31), ("Sent", 1000)):
            set_back(tmp_path / "data" / "mail.db", name, days)
        node.start()
        client = node.imap(JANE)
        for _ in range(2):
            client.append("Trash", "", "", letter())
        until(lambda: client.status("Old", "(MESSAGES)")[1][0] == b"Old (MESSAGES 1)")
        until(lambda: client.status("Trash", "(MESSAGES)")[1][0] == b"Trash (MESSAGES 2)")
        assert client.status("Old", "(MESSAGES UNSEEN)")[1][0] == b"Old (MESSAGES 1 UNSEEN 1)"
        assert client.status("Sent", "(MESSAGES)")[1][0] == b"Sent (MESSAGES 1)"
        node.run("mailbox", "expire", JANE, "Trash", "--keep", "1")
        assert node.json("expiry", "run")["messages"] == 1
        assert node.json("store", "check")["sound"]


@pytest.mark.spec_part("STO-6")
def test_messages_expire_as_the_mailbox_says(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as node:
        client = node.imap(JANE)
        for _ in range(4):
            client.append("Trash", "", "", letter())
        client.append("Trash", "\\Seen", "", letter())
        node.run("mailbox", "expire", JANE, "Trash", "--keep", "2", "--unread")
        assert client.xatom("GETMETADATA", "Trash", "/shared/vendor/posthouse/expire")[0] == "OK"
        assert client.response("METADATA")[1] == [b'Trash (/shared/vendor/posthouse/expire "keep=2 only=unread")']
        assert node.json("expiry", "run")["messages"] == 3
        assert client.status("Trash", "(MESSAGES UNSEEN)")[1][0] == b"Trash (MESSAGES 2 UNSEEN 1)"
        assert node.json("undelete", "list", JANE)[0]["messages"] == 3


class Worker(threading.Thread):
    """One client that fills, moves, deletes and restores at random until the node is gone."""

    def __init__(self, node: Node, address: str, seed: int) -> None:
        super().__init__()
        self._node, self._address, self._random = node, address, random.Random(seed)
        self.done = 0

    def run(self) -> None:
        gone = (OSError, EOFError, imaplib.IMAP4.error, smtplib.SMTPException)
        while True:
            try:
                self._work(self._node.imap(self._address))
            except gone:
                if self._node.process is None or self._node.process.poll() is not None:
                    return
                time.sleep(0.02)

    def _work(self, client: imaplib.IMAP4) -> None:
        pick = self._random.choice
        while True:
            match pick(("append", "append", "append", "mail", "expunge", "move", "copy", "tree", "restore")):
                case "append":
                    client.append(pick(("INBOX", "Sent")), pick(("", "\\Deleted")), "", letter(self._random.randrange(3_000)))
                case "mail":
                    with contextlib.suppress(smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
                        self._node.send(self._address, letter(self._random.randrange(2_000)).decode())
                case "expunge":
                    client.select(pick(("INBOX", "Sent")))
                    client.expunge()
                case "move" | "copy" as verb:
                    client.select("INBOX")
                    client.uid(verb.upper(), "1:*" if verb == "move" else "*", pick(("Sent", "Archive")))
                case "tree":
                    client.create("Work/2026")
                    client.append("Work/2026", "", "", letter())
                    client.delete("Work/2026")
                case "restore":
                    client.select('"Deleted Messages/INBOX"')
                    client.uid("MOVE", "1:5", "Archive")
            self.done += 1


LEAST_DONE = 300


@pytest.mark.timeout(300)
@pytest.mark.spec_part("STO-1", "STO-2", "STO-5")
def test_sums_are_exact_after_every_kill(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        node.run("domain", "set", "example.test", "--quota-bytes", "1M", "--user-quota-bytes", "200K")
        node.run("user", "set", JANE, "--undelete-bytes", "50K")
        node.run("user", "set", OMAR, "--quota-messages", "60")
        done = 0
        for number in range(ROUNDS):
            workers = [Worker(node, address, 10 * number + each) for each in range(2) for address in (JANE, OMAR)]
            for worker in workers:
                worker.start()
            time.sleep(random.uniform(0.5, 1.5))
            until(lambda crowd=tuple(workers): sum(worker.done for worker in crowd) > LEAST_DONE // ROUNDS)
            node.kill()
            for worker in workers:
                worker.join(30)
            done += sum(worker.done for worker in workers)
            node.start()
            for address in (JANE, OMAR):
                shown = node.json("quota", "show", address)
                assert (shown["messages"], shown["size_bytes"]) == counted(node, address)
            # The grace, and the node's own warnings, which come in whatever the quota.
            assert node.json("quota", "show", JANE)["size_bytes"] <= 220 * 1024 + 2_000 * ROUNDS
            assert node.json("quota", "show", OMAR)["messages"] <= 66 + 2 * ROUNDS
            assert node.json("quota", "recount")["wrong"] == 0
        assert node.json("store", "check") == {"sound": True, "problems": []}
        assert done > LEAST_DONE, "that was not much of a flood"
