"""node.toml read again: what is taken at once, what waits for a restart, what a mistake does."""

from __future__ import annotations

from pathlib import Path

from posthouse.roles.config import load
from posthouse.roles.rereading import reread

FILE = """[node]
name = "mx1.example.com"
data = "data"
workers = 2
[listen]
imap = "127.0.0.1:2143"
smtp = "127.0.0.1:2525"
[dns]
nameservers = ["127.0.0.1:5353"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_name_servers_are_taken_at_once(tmp_path: Path) -> None:
    running = load(written(tmp_path, FILE))
    written(tmp_path, FILE.replace('"127.0.0.1:5353"', '"192.0.2.1", "192.0.2.2"'))
    found = reread(running)
    assert found.config.nameservers == ("192.0.2.1:53", "192.0.2.2:53")
    assert found.taken == ("dns.nameservers: 127.0.0.1:5353 -> 192.0.2.1:53 192.0.2.2:53",)
    assert (found.waiting, found.trouble) == ((), "")


def test_all_else_waits_for_a_restart_and_is_told_each_time(tmp_path: Path) -> None:
    running = load(written(tmp_path, FILE))
    changed = FILE.replace("2143", "143").replace('smtp = "127.0.0.1:2525"', 'lmtp = "127.0.0.1:24"').replace("mx1", "mx2")
    written(tmp_path, changed.replace("workers = 2", 'workers = 3\nroles = ["store"]\nuser = "mail"').replace('"data"', '"d"'))
    found = reread(running)
    assert found.waiting == (
        "node.name: mx1.example.com -> mx2.example.com",
        f"node.data: {tmp_path / 'data'} -> {tmp_path / 'd'}",
        "node.roles: all -> store",
        "node.workers: 2 -> 3",
        "node.user: none -> mail",
        "listen.imap: 127.0.0.1:2143 -> 127.0.0.1:143",
        "listen.smtp: 127.0.0.1:2525 -> none",
        "listen.lmtp: none -> 127.0.0.1:24",
    )
    assert found.config == running
    assert reread(found.config).waiting == found.waiting


def test_an_unchanged_file_says_nothing(tmp_path: Path) -> None:
    running = load(written(tmp_path, FILE))
    found = reread(running)
    assert (found.config, found.taken, found.waiting, found.trouble) == (running, (), (), "")


def test_a_file_that_is_wrong_or_gone_changes_nothing(tmp_path: Path) -> None:
    running = load(written(tmp_path, FILE))
    written(tmp_path, FILE.replace("5353", "x").replace("2143", "143"))
    found = reread(running)
    assert (found.config, found.taken, found.waiting) == (running, (), ())
    assert "dns.nameservers" in found.trouble
    (tmp_path / "node.toml").unlink()
    assert "node.toml" in reread(running).trouble
