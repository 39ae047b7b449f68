"""node.toml: read strictly, with one clear line for each mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posthouse.roles.config import Address, ConfigError, NodeConfig, load, parse_address


def written(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


WHOLE = """
[node]
name = "MX1.example.com"
data = "var/data"
roles = ["gateway", "store"]
workers = 3
user = "mail"
[listen]
imap = "127.0.0.1:2143"
smtp = "[::1]:0"
lmtp = "localhost:2524"
[database]
url = "sqlite"
[dns]
nameservers = ["127.0.0.1:5353", "192.0.2.53", "::1", "[2001:db8::53]:5353"]
"""


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE))
    assert config == NodeConfig(
        path=tmp_path / "node.toml",
        name="mx1.example.com",
        data=tmp_path / "var/data",
        roles=("gateway", "store"),
        workers=3,
        user="mail",
        listen={"imap": Address("127.0.0.1", 2143), "smtp": Address("::1", 0), "lmtp": Address("localhost", 2524)},
        database_url="sqlite",
        nameservers=("127.0.0.1:5353", "192.0.2.53:53", "[::1]:53", "[2001:db8::53]:5353"),
    )


def test_a_name_is_enough(tmp_path: Path) -> None:
    config = load(written(tmp_path, '[node]\nname = "mx1.example.com"\n'))
    assert (config.data, config.roles, config.listen) == (tmp_path / "data", ("all",), {})
    assert config.workers == len(os.sched_getaffinity(0))


def test_an_absolute_data_folder_stays_where_it_is(tmp_path: Path) -> None:
    config = load(written(tmp_path, '[node]\nname = "mx1"\ndata = "/srv/posthouse"\n'))
    assert config.data == Path("/srv/posthouse")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "node"),
        ("[node]\n", "name"),
        ('[node]\nname = "mx1"\nworker = 2\n', "unknown field `worker`"),
        ('[node]\nname = "mx1"\n[lissten]\n', "unknown field `lissten`"),
        ('[node]\nname = "mx 1"\n', "node.name: 'mx 1' is not a host name"),
        ('[node]\nname = "mx1"\nroles = []\n', "node.roles"),
        ('[node]\nname = "mx1"\nroles = ["king"]\n', "king"),
        ('[node]\nname = "mx1"\nworkers = "two"\n', "int"),
        ('[node]\nname = "mx1"\nworkers = -1\n', "node.workers"),
        ('[node]\nname = "mx1"\n[listen]\nfinger = "127.0.0.1:79"\n', "listen.finger: no such service"),
        ('[node]\nname = "mx1"\n[listen]\nsmtp = "25"\n', "listen.smtp: '25' is not address:port"),
        ('[node]\nname = "mx1"\n[listen]\nsmtp = "127.0.0.1:65536"\n', "listen.smtp"),
        ('[node]\nname = "mx1"\n[listen]\nsmtp = "127.0.0.1:-1"\n', "listen.smtp"),
        ('[node]\nname = "mx1"\n[listen]\nsmtp = "::1:25"\n', "listen.smtp"),
        ('[node]\nname = "mx1"\n[database]\nurl = "oracle:x"\n', "database.url"),
        ('[node]\nname = "mx1"\n[dns]\nnameservers = ["a:b"]\n', "dns.nameservers"),
        ("[node\n", "node.toml"),
    ],
)
def test_each_mistake_gives_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    line = str(caught.value)
    assert words in line
    assert "\n" not in line
    assert str(tmp_path / "node.toml") in line


def test_a_missing_file_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "shown"), [("127.0.0.1:25", "127.0.0.1:25"), ("[::]:25", "[::]:25"), ("mx.example.com:0", "mx.example.com:0")]
)
def test_addresses_are_shown_as_they_are_written(text: str, shown: str) -> None:
    assert str(parse_address(text, "listen.smtp")) == shown
