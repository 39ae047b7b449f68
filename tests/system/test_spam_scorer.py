"""The embedded scorer on a running node: taught by operation and by users' moves; rules updated and taken back (CON-8, 10)."""

from __future__ import annotations

import base64
import email
import hashlib
import json
import mailbox
import random
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from posthouse.content.antispam.rulegroups import shipped_groups
from support.node import Node, running, until

pytestmark = [pytest.mark.timeout(180)]

JANE, BOB = "jane@example.test", "bob@example.test"
SPAM_WORDS = [f"offer{number}" for number in range(40)]
HAM_WORDS = [f"topic{number}" for number in range(40)]
COMMON = [f"word{number}" for number in range(60)]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def letter(number: int, *, spam: bool) -> str:
    chance = random.Random(f"{number} {spam}")
    words = chance.sample(SPAM_WORDS if spam else HAM_WORDS, 8) + chance.sample(COMMON, 15)
    sender = f"a{number}@{'deals' if spam else 'office'}{number % 7}.example"
    return (
        f"From: {sender}\r\nTo: {JANE}\r\nSubject: {' '.join(words[:3])}\r\nDate: Tue, 24 Nov 2026 08:00:00 +0000\r\n"
        f"Message-ID: <{number}.{spam}@{sender}>\r\n\r\n{' '.join(words)}\r\n"
    )


def mbox(path: Path, *, spam: bool, count: int = 40) -> Path:
    box = mailbox.mbox(path)
    for number in range(count):
        box.add(letter(number, spam=spam).replace("\r\n", "\n").encode())
    box.close()
    return path


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("scorer")
    with running(folder, services=("smtp", "imap"), workers=1) as made:
        made.add_user(BOB)
        made.run("setting", "set", "scorer.enough_spam", "30")
        made.run("setting", "set", "scorer.enough_ham", "30")
        made.run("setting", "set", "smtp.sender_check", "off")
        made.run("setting", "set", "antispam.engines", "embedded")
        yield made


def delivered(node: Node, recipient: str, text: str, folder: str = "INBOX") -> Message | None:
    """The message with this text's Message-ID in one of the recipient's folders, or None."""
    identifier = str(email.message_from_string(text)["Message-ID"])
    with node.imap(recipient) as client:
        if client.select(f'"{folder}"')[0] != "OK":
            return None
        numbers = client.search(None, "HEADER", "Message-ID", identifier)[1][0].split()
        if not numbers:
            return None
        data: Any = client.fetch(numbers[-1], "(BODY.PEEK[])")[1]
        return email.message_from_bytes(data[0][1])


def teach(node: Node, tmp_path: Path) -> None:
    for what, spam in (("spam", True), ("ham", False)):
        node.run("antispam", "train", what, "--file", str(mbox(tmp_path / what, spam=spam)))


@pytest.mark.spec_part("CON-8")
def test_a_node_that_was_taught_tells_new_spam_from_new_mail(node: Node, tmp_path: Path) -> None:
    junk, wanted = letter(900, spam=True), letter(900, spam=False)
    node.run("lesson", "forget")
    node.run("lesson", "forget", "--user", JANE)
    until(lambda: not node.json("lesson", "show")["counts"])
    node.send(JANE, letter(899, spam=True))
    assert delivered(node, JANE, letter(899, spam=True)) is not None, "untaught, and no rule speaks"
    teach(node, tmp_path)
    shown = until(lambda: (row := node.json("lesson", "show")) and row["counts"] and row, timeout_s=60)
    assert (shown["spam"], shown["ham"]) == (40, 40)
    node.send(JANE, junk)
    node.send(JANE, wanted)
    assert delivered(node, JANE, wanted) is not None
    caught = delivered(node, JANE, junk, "Junk Mail")
    assert caught is not None
    assert "LEARNT_SITE" in str(caught["X-Spam-Status"])
    assert "like spam that was learnt" in " ".join(str(caught["X-Spam-Report"]).split())


@pytest.mark.spec_part("CON-8")
def test_a_user_who_takes_mail_out_of_junk_gets_its_like_in_the_inbox_and_others_do_not(node: Node, tmp_path: Path) -> None:
    teach(node, tmp_path)
    until(lambda: (row := node.json("lesson", "show"))["counts"] and row["spam"] == 40, timeout_s=60)
    junk = letter(950, spam=True)
    node.send(JANE, junk)
    until(lambda: delivered(node, JANE, junk, "Junk Mail") is not None)
    with node.imap(JANE) as client:
        client.select('"Junk Mail"')
        (numbers,) = client.search(None, "HEADER", "Message-ID", str(email.message_from_string(junk)["Message-ID"]))[1]
        assert client.copy(numbers.split()[-1].decode(), "INBOX")[0] == "OK"
    until(lambda: (row := node.json("lesson", "show", "--user", JANE))["ham"] == 1 and row["counts"], timeout_s=60)
    again = junk.replace("Message-ID: <", "Message-ID: <again.")
    node.send(JANE, again)
    node.send(BOB, again)
    assert delivered(node, JANE, again) is not None
    assert delivered(node, BOB, again, "Junk Mail") is not None


def publish(folder: Path, version: int, default: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "default.toml").write_text(default)
    manifest = f"posthouse-rules 1\nversion {version}\n{hashlib.sha256(default.encode()).hexdigest()}  default.toml\n".encode()
    (folder / "manifest").write_bytes(manifest)
    (folder / "manifest.sig").write_bytes(base64.b64encode(KEY.sign(manifest)))


NEW = '\n[[rules]]\nname = "NEW_WAVE"\npoints = 90\nwhy = "the wave of today"\nbody = "zyzzyva"\nevidence = true\n'


@pytest.mark.spec("CON-10")
def test_rules_are_updated_signed_tried_and_taken_back(node: Node, tmp_path: Path) -> None:
    wave = letter(990, spam=False).replace("\r\n\r\n", "\r\n\r\nzyzzyva ", 1)
    source = tmp_path / "rules"
    publish(source, 2026112401, shipped_groups()["default"] + NEW)
    node.run("setting", "set", "scorer.update_from", str(source))
    assert node.run("spamrule", "update", check=False).returncode != 0, "no key, no rules"
    node.run("setting", "set", "scorer.update_key", PUBLIC)
    assert node.json("spamrule", "update") == {"version": 2026112401, "new": True}
    assert [row["rule"] for row in node.json("spamrule", "list", "NEW_*")] == ["NEW_WAVE"]
    node.send(BOB, wave)
    caught = delivered(node, BOB, wave, "Junk Mail")
    assert caught is not None
    assert "NEW_WAVE" in str(caught["X-Spam-Status"])

    publish(source, 2026112402, shipped_groups()["default"] + NEW.replace("zyzzyva", "."))
    refused = node.run("spamrule", "update", check=False)
    assert refused.returncode != 0
    assert "sample" in refused.stderr, "judges samples wrongly"
    publish(source, 2026112403, "name = 'default'")
    (source / "default.toml").write_text(shipped_groups()["default"] + NEW)
    assert node.run("spamrule", "update", check=False).returncode != 0, "not what was signed"
    assert [row["version"] for row in node.json("spamrule", "versions") if row["in_use"]] == [2026112401]

    assert node.json("spamrule", "rollback")["version"] == 0
    again = wave.replace("Message-ID: <", "Message-ID: <again.")
    node.send(BOB, again)
    assert delivered(node, BOB, again) is not None

    publish(source, 2026112404, shipped_groups()["default"] + NEW)
    node.stop()
    node.start()

    def in_use() -> list[int]:
        return [row["version"] for row in node.json("spamrule", "versions") if row["in_use"]]

    assert until(lambda: in_use() == [2026112404], timeout_s=30), "by itself: the first look is when a node starts"


@pytest.mark.spec_part("CON-10")
def test_groups_are_chosen_while_the_node_runs(node: Node) -> None:
    def rules(text: str) -> set[str]:
        rows = json.loads(node.run("antispam", "test", "--json", stdin=text).stdout)
        return {row["rule"] for row in rows}

    foreign = letter(995, spam=False).replace("\r\n\r\n", "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", 1)
    foreign = foreign.partition("\r\n\r\n")[0] + "\r\n\r\nЗдравствуйте, купите наши часы сегодня\r\n"
    assert "ALPHABET_CYRILLIC" not in rules(foreign)
    node.run("setting", "set", "scorer.rule_groups", "default", "no8bit")
    assert until(lambda: "ALPHABET_CYRILLIC" in rules(foreign))
