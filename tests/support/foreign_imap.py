"""Any IMAP server, looked at and filled by a client; and migration jobs waited for."""

from __future__ import annotations

import contextlib
import imaplib
import sqlite3
from collections import Counter
from typing import Any

from posthouse.backends.sources.imap_answers import fetched, folders, quoted
from posthouse.formats.dates import parse_internal
from posthouse.model import utf7
from support.migrating import letters
from support.node import Node, until

Contents = Counter[tuple[bytes, tuple[str, ...], float | None]]


def raw(name: str) -> str:
    return quoted(utf7.encode(name))


def put(client: imaplib.IMAP4, name: str, count: int, seed: int) -> None:
    """Messages into a folder of Dovecot."""
    for message in letters(count, seed):
        flags = " ".join(flag for flag in message.flags)
        date = imaplib.Time2Internaldate(message.received_at or 0)
        assert client.append(raw(name), f"({flags})", date, message.content)[0] == "OK"


def contents(client: imaplib.IMAP4) -> dict[str, Contents]:
    """All that a server has, by folder."""
    out: dict[str, Contents] = {}
    for folder in folders(client.list()[1]):
        if "\\noselect" in folder.attributes:
            continue
        status, counted = client.select(quoted(folder.name), readonly=True)
        assert status == "OK"
        data = client.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1] if counted != [b"0"] else []
        out[utf7.decode(folder.name)] = Counter(
            (each.content or b"", tuple(sorted(set(each.flags) - {"\\Recent"})), parse_internal(each.date.rjust(26)))
            for each in fetched(data)
        )
    return out


def ended(node: Node, job: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        shown: dict[str, Any] = node.json("migration", "show", job)
        return shown if shown["state"] not in ("running", "waiting") else None

    done: dict[str, Any] = until(over, 60, 0.2)
    return done


def grown(node: Node, wanted: int) -> int:
    """How many messages the record knows of, once they are so many."""
    path = node.folder / "data" / "migrations.db"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as record:
        count: int = record.execute("SELECT count(*) FROM entry").fetchone()[0]
        return count if count >= wanted else 0
    return 0
