"""A power cut keeps only what was synced. So, seen from the kernel's side: when the node says that something is kept, every
octet it has written for it is synced already: the database's log, a large message's file, and the folder that names it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.node import PASSWORD, Node, running, until
from support.synced import RESUMED, SYNC, unsynced_at_answers, watched

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is what watches the system calls"),
]
JANE = "jane@example.test"
SMALL = "Subject: small\r\n\r\nhello\r\n"
LARGE = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 5000


def accept(node: Node, text: str) -> None:
    node.send(JANE, text)


def submit(node: Node, text: str) -> None:
    with node.smtp("submission") as client:
        client.login(JANE, PASSWORD)
        client.sendmail(JANE, ["someone@far.test"], text)


def append(node: Node, text: str) -> None:
    with node.imap(JANE) as client:
        client.append("INBOX", "(\\Seen)", None, text.encode())


def change(node: Node, _: str) -> None:
    with node.imap(JANE) as client:
        client.select()
        client.store("1", "+FLAGS", "(\\Flagged)")
        client.copy("1", "INBOX")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()


@pytest.mark.spec_part("STO-1", "OUT-6")
@pytest.mark.parametrize("text", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("work", [accept, submit, append, change])
def test_what_is_acknowledged_is_synced_before(
    node_for_tracing: Node, tmp_path: Path, work: Callable[[Node, str], None], text: str
) -> None:
    node = node_for_tracing
    node.send(JANE, SMALL)
    until(lambda: all(row["attempts"] for row in node.json("queue", "list")))  # nothing else is being written
    log = tmp_path / "calls.txt"
    with watched(node, log):
        work(node, text)
    lines = [line for line in log.read_text(errors="replace").splitlines() if not RESUMED.search(line)]
    data = node.folder / "data"
    answers, late = unsynced_at_answers(lines, data)
    assert answers >= 1, lines[-30:]
    assert late == []
    assert any(SYNC.search(line) and "mail.db-wal" in line for line in lines), "something was to be kept"


@pytest.mark.spec_part("STO-1")
def test_a_file_that_somebody_else_left_unsynced_is_synced_before_it_is_relied_on(
    node_for_tracing: Node, tmp_path: Path
) -> None:
    text = LARGE.replace("large", "left behind")
    digest = hashlib.sha256(text.encode()).hexdigest()
    left = node_for_tracing.folder / "data" / "blobs" / digest[:2] / digest[2:]
    left.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    left.write_bytes(text.encode())
    node_for_tracing.send(JANE, SMALL)  # jane has her mailboxes, and nothing else is being written
    until(lambda: all(row["attempts"] for row in node_for_tracing.json("queue", "list")))
    with watched(node_for_tracing, tmp_path / "calls.txt"):
        append(node_for_tracing, text)
    calls = (tmp_path / "calls.txt").read_text(errors="replace")
    synced = [found[1] for line in calls.splitlines() if (found := SYNC.search(line))]
    named = len(synced) - 1 - synced[::-1].index(str(node_for_tracing.folder / "data" / "mail.db-wal"))
    assert synced.index(str(left)) < named, "its octets"
    assert synced.index(str(left.parent)) < named, "and its name"


@pytest.fixture(scope="module")
def node_for_tracing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("traced"), workers=1) as node:
        node.run("setting", "set", "route.smart_host", "127.0.0.1:9")
        yield node
