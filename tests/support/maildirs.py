"""Trees of Maildirs for the tests of clients that synchronise: made by plan, changed, and read back for comparison.

A tree is a folder of Maildirs, nested as their names are (``Projects/2026``); ``separator`` is "/" for folders in folders.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAILBOXES = (
    "INBOX", "Sent", "Drafts", "Trash", "Archive", "Junk Mail", "Archive/2024", "Archive/2025", "Archive/2025/Q1",
    "Archive/2025/Q2", "Lists", "Lists/python-dev", "Lists/exim-users", "Lists/a b c", "Projects", "Projects/Tower",
    "Projects/Tower/Plans", "Projects/Tower/Plans/Final (2)", "Projects/Bridge", "B&APw-cher", "B&APw-cher/Romane",
    "&ZeVnLIqe-", "Receipts", "Receipts/2023", "Receipts/2024", "under_score", "with-dash", "with+plus", "Family",
    "Family/Trips",
)  # fmt: skip
"""Thirty names, as clients keep them on disk (modified UTF-7)."""

FLAGS = ("", "S", "S", "S", "FS", "RS", "F", "DS", "FRS")


class Kept(NamedTuple):
    """One message in a tree."""

    digest: str
    flags: str


def message(number: int, chance: random.Random) -> bytes:
    """A message of a few kinds: plain, 8-bit, with an attachment, with awkward lines; LF line ends, as in Maildirs."""
    words = " ".join(
        chance.choice(("tower", "bridge", "invoice", "Grüße", "lunch", "日本")) for _ in range(chance.randrange(5, 200))
    )
    head = f"From: Sender {number} <sender{number % 17}@elsewhere.test>\nTo: jane@example.test\nSubject: message {number}\n"
    head += f"Message-ID: <{number}@elsewhere.test>\nDate: Mon, 23 Nov 2026 10:{number % 60:02}:00 +0100\n"
    if number % 5 == 0:
        data = chance.randbytes(chance.randrange(100, 4000)).hex()
        lines = "\n".join(data[start : start + 76] for start in range(0, len(data), 76))
        return (
            f'{head}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=b{number}"\n\n--=b{number}\n\n{words}\n'
            f"--=b{number}\nContent-Type: application/octet-stream\n\n{lines}\n--=b{number}--\n"
        ).encode()
    if number % 5 == 1:
        head += "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
        return f"{head}\nFrom {words}\n.\n..\n\n\n".encode()
    return f"{head}\n{words}\n".encode()


def fill(tree: Path, messages: int, seed: int = 7) -> None:
    """Spreads so many messages over ``MAILBOXES``, each with some flags."""
    chance = random.Random(seed)
    for name in MAILBOXES:
        for part in ("cur", "new", "tmp"):
            (tree / name / part).mkdir(parents=True, exist_ok=True)
    for number in range(messages):
        name = MAILBOXES[number % len(MAILBOXES)]
        path = tree / name / "cur" / f"{1_760_000_000 + number}.{number}_1.host:2,{chance.choice(FLAGS)}"
        path.write_bytes(message(number, chance))


def files(tree: Path) -> Iterator[tuple[str, Path]]:
    """Every message file with its mailbox's name."""
    for folder in sorted(tree.rglob("cur")):
        name = folder.parent.relative_to(tree).as_posix()
        for part in (folder, folder.with_name("new")):
            for path in sorted(part.iterdir()):
                yield name, path


def flags_of(path: Path) -> str:
    return "".join(sorted(path.name.rpartition(":2,")[2])) if ":2," in path.name else ""


def digest_of(path: Path) -> str:
    """Of the message without the fields that mbsync and offlineimap leave in it as marks of their own."""
    lines = path.read_bytes().split(b"\n")
    kept = b"\n".join(line for line in lines if not line.startswith((b"X-TUID: ", b"X-OfflineIMAP: ")))
    return hashlib.sha256(kept).hexdigest()[:16]


def contents(tree: Path) -> dict[str, list[Kept]]:
    """What a tree holds, comparable between trees."""
    found: dict[str, list[Kept]] = {folder.parent.relative_to(tree).as_posix(): [] for folder in tree.rglob("cur")}
    for name, path in files(tree):
        found[name].append(Kept(digest_of(path), flags_of(path)))
    return {name: sorted(kept) for name, kept in found.items()}


def set_flags(path: Path, flags: str) -> None:
    """Renames a message file to carry these flags."""
    path.rename(path.parent.parent / "cur" / f"{path.name.partition(':2,')[0]}:2,{''.join(sorted(flags))}")


def change_some(tree: Path, turn: int, flags: str) -> None:
    """Gives every twentieth message, beginning with number ``turn``, these flags; by digest, so that copies agree."""
    ordered = sorted(files(tree), key=lambda item: (item[0], digest_of(item[1])))
    for _, path in ordered[turn::20]:
        set_flags(path, flags)


def states(tree: Path) -> list[tuple[str, int]]:
    """Names and ages of all message files: unchanged if nothing was done to the tree."""
    return [(path.relative_to(tree).as_posix(), path.stat().st_mtime_ns) for _, path in files(tree)]
