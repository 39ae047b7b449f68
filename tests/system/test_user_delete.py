"""Deleting a user is one durable step: after a crash in the middle of it the mail goes all the same."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from support.node import Node, running, until
from support.soundness import unsound

JANE = "jane@example.test"


def rows(node: Node, database: str, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(node.folder / "data" / database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


@pytest.mark.spec_part("DIR-1", "STO-1")
def test_a_deletion_that_a_crash_cut_short_is_finished_when_the_node_is_up_again(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as node:
        node.send(JANE, "Subject: last words\r\n\r\nx\r\n")
        omar = node.imap("omar@example.org")
        omar.create("Common")
        omar.setacl("Common", JANE, "lrs")
        node.kill()
        # What the directory commits first, and nothing of what follows.
        connection = apsw.Connection(str(tmp_path / "data" / "directory.db"))
        connection.execute("DELETE FROM account WHERE key = ?", (JANE,))
        connection.close()
        node.start()
        until(lambda: not rows(node, "directory.db", "SELECT * FROM leaving"))
        assert rows(node, "mail.db", "SELECT count(*) FROM acl") == [(0,)]
        until(lambda: rows(node, "mail.db", "SELECT count(*) FROM body") == [(0,)])
        assert unsound(tmp_path / "data") == []
        node.add_user(JANE)
        assert node.imap(JANE).select("INBOX")[1] == [b"0"]
        node.run("user", "delete", JANE)
        assert rows(node, "directory.db", "SELECT * FROM leaving") == []
        assert node.json("store", "check")["sound"]
