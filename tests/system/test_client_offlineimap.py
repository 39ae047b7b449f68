"""OfflineIMAP against a running node: the same tree as for mbsync goes in, comes out, and stays in step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import maildirs
from support.clients import run_client, server_state
from support.node import PASSWORD, Node, running

JANE = "jane@example.test"
MESSAGES = 2000
CONFIG = """
[general]
accounts = node
metadata = {home}/meta
socktimeout = 60

[Account node]
localrepository = local
remoterepository = remote

[Repository local]
type = Maildir
localfolders = {home}/tree
sep = /

[Repository remote]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {certificate}
auth_mechanisms = PLAIN
maxconnections = 4
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("offlineimap"), services=("imap", "imaps")) as started:
        yield started


class Copy:
    """A local tree with its OfflineIMAP."""

    def __init__(self, node: Node, home: Path) -> None:
        self.home = home
        self.tree = home / "tree"
        self.tree.mkdir(parents=True)
        (home / ".offlineimaprc").write_text(
            CONFIG.format(
                home=home,
                port=node.ports["imaps"],
                user=JANE,
                password=PASSWORD,
                certificate=node.folder / "data" / "tls" / "self-made.pem",
            )
        )

    def sync(self) -> str:
        done = run_client("offlineimap", "-o", "-u", "basic", home=self.home, timeout_s=110)
        assert "ERROR" not in done.stdout + done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def contents(self) -> dict[str, list[maildirs.Kept]]:
        return maildirs.contents(self.tree)


@pytest.mark.timeout(300)
def test_two_copies_stay_the_same_through_the_node(node: Node, tmp_path: Path) -> None:
    first, second = Copy(node, tmp_path / "first"), Copy(node, tmp_path / "second")
    maildirs.fill(first.tree, MESSAGES)
    sent = first.contents()
    first.sync()
    second.sync()
    assert first.contents() == second.contents() == sent

    for copy, turn, flags in ((first, 0, "FS"), (second, 1, ""), (second, 2, "RST")):
        maildirs.change_some(copy.tree, turn, flags)
    (second.tree / "Receipts" / "2023" / "cur" / "1770000000.fresh_1.host:2,F").write_bytes(b"Subject: fresh\n\nx\n")
    next((first.tree / "Lists" / "cur").iterdir()).unlink()
    for copy in (first, second, first):
        copy.sync()
    assert first.contents() == second.contents() != sent

    before = server_state(node, JANE), maildirs.states(first.tree), maildirs.states(second.tree)
    first.sync()
    second.sync()
    assert (server_state(node, JANE), maildirs.states(first.tree), maildirs.states(second.tree)) == before
