"""mbsync against a running node: a tree of 30 mailboxes and 2,000 messages goes in, comes out, and stays in step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import maildirs
from support.clients import run_client, server_state
from support.node import PASSWORD, Node, running

JANE = "jane@example.test"
MESSAGES = 2000
CONFIG = """
IMAPAccount node
Host localhost
Port {port}
User {user}
Pass "{password}"
SSLType IMAPS
CertificateFile {certificate}
AuthMechs LOGIN

IMAPStore remote
Account node

MaildirStore local
Path {tree}/
Inbox {tree}/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("mbsync"), services=("imap", "imaps")) as started:
        yield started


class Copy:
    """A local tree with its mbsync."""

    def __init__(self, node: Node, home: Path, user: str = JANE) -> None:
        self.home = home
        self.tree = home / "tree"
        self.tree.mkdir(parents=True)
        (home / ".mbsyncrc").write_text(
            CONFIG.format(
                port=node.ports["imaps"],
                user=user,
                password=PASSWORD,
                certificate=node.folder / "data" / "tls" / "self-made.pem",
                tree=self.tree,
            )
        )

    def sync(self) -> str:
        return run_client("mbsync", "-a", "-V", home=self.home, timeout_s=110).stdout

    def contents(self) -> dict[str, list[maildirs.Kept]]:
        return maildirs.contents(self.tree)


@pytest.mark.timeout(300)
def test_two_copies_stay_the_same_through_the_node(node: Node, tmp_path: Path) -> None:
    first, second = Copy(node, tmp_path / "first"), Copy(node, tmp_path / "second")
    maildirs.fill(first.tree, MESSAGES)
    sent = first.contents()
    assert (len(sent), sum(map(len, sent.values()))) == (30, MESSAGES)

    first.sync()
    second.sync()
    assert first.contents() == sent
    assert second.contents() == sent

    for copy, turn, flags in ((first, 0, "FS"), (second, 1, ""), (second, 2, "RST")):
        maildirs.change_some(copy.tree, turn, flags)
    for copy in (first, second, first):
        copy.sync()
    changed = first.contents()
    assert changed == second.contents()
    kept = sum(map(len, changed.values()))
    assert kept == MESSAGES * 19 // 20, "what one side marked as deleted is gone from both"
    assert changed != sent

    (second.tree / "Receipts" / "2023" / "cur" / "1770000000.fresh_1.host:2,F").write_bytes(b"Subject: fresh\n\nx\n")
    shutil.move(next((first.tree / "Lists" / "cur").iterdir()), first.tree / "Family" / "cur" / "1770000001.moved_1.host:2,S")
    for copy in (first, second, first):
        copy.sync()
    assert first.contents() == second.contents()
    assert sum(map(len, first.contents().values())) == kept + 1

    before = server_state(node, JANE), maildirs.states(first.tree), maildirs.states(second.tree)
    first.sync()
    second.sync()
    assert (server_state(node, JANE), maildirs.states(first.tree), maildirs.states(second.tree)) == before
    node.run("store", "check")
