"""What interfaces/reject_list.py promises, held against every backend."""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.reject_list import MemoryRejectList
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.backends.sqlite.reject_list import SqliteRejectList, SqliteRejectListWriter
from posthouse.interfaces.reject_list import RejectList, RejectListWriter
from posthouse.model.reject import reject_entry


@dataclass(frozen=True)
class Both:
    """Both sides of one backend."""

    read: RejectList
    write: RejectListWriter

    async def add(self, *targets: str) -> int:
        return await self.write.add([reject_entry(target, f"note of {target}", 7.0) for target in targets])

    async def network(self, address: str) -> str:
        found = await self.read.network_of(address)
        return found.target if found else ""

    async def domain(self, name: str) -> str:
        found = await self.read.domain_of(name)
        return found.target if found else ""


@pytest.fixture(params=["memory", "sqlite"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    if request.param == "memory":
        memory = MemoryRejectList()
        yield Both(memory, memory)
        return
    yield from on_disk(tmp_path)


def on_disk(folder: Path) -> Iterator[Both]:
    database = open_directory_file(folder / "directory.db")
    reader = SqliteRejectList(folder / "directory.db")
    yield Both(reader, SqliteRejectListWriter(database))
    reader.close()
    database.close()


async def test_the_narrowest_network_answers(both: Both) -> None:
    assert await both.network("192.0.2.9") == ""
    assert await both.add("192.0.0.0/16", "192.0.2.0/24", "192.0.2.9", "2001:db8::/32", "10.", "172.16.") == 6
    assert await both.network("192.0.2.9") == "192.0.2.9/32"
    assert await both.network("192.0.2.8") == "192.0.2.0/24"
    assert await both.network("192.0.3.1") == "192.0.0.0/16"
    assert await both.network("192.1.0.1") == ""
    assert await both.network("10.255.0.1") == "10.0.0.0/8"
    assert await both.network("172.16.9.9") == "172.16.0.0/16"
    assert await both.network("2001:db8:ffff::1") == "2001:db8::/32"
    assert await both.network("2001:db9::1") == ""
    assert await both.network("::ffff:192.0.2.8") == "192.0.2.0/24"
    assert await both.network("no address") == ""
    assert await both.network("0.0.0.10") == ""


async def test_everything_may_be_listed(both: Both) -> None:
    await both.add("0.0.0.0/0", "::/0")
    assert await both.network("198.51.100.1") == "0.0.0.0/0"
    assert await both.network("2001:db8::1") == "::/0"


async def test_a_domain_covers_its_subdomains(both: Both) -> None:
    assert not await both.read.has_domains()
    await both.add("spam.example", "Mail.Good.Example", ".dotted.example")
    assert await both.read.has_domains()
    assert await both.domain("spam.example") == "spam.example"
    assert await both.domain("A.B.Spam.Example.") == "spam.example"
    assert await both.domain("notspam.example") == ""
    assert await both.domain("spam.example.org") == ""
    assert await both.domain("good.example") == ""
    assert await both.domain("mail.good.example") == "mail.good.example"
    assert await both.domain("x.dotted.example") == "dotted.example"
    for odd in ("", ".", "example", "a" * 300, "..", "[192.0.2.9]"):
        assert await both.domain(odd) == ""


async def test_what_lies_below_a_name_is_known(both: Both) -> None:
    await both.add("a.b.spam.example", "192.0.2.9")
    assert await both.read.lies_above("spam.example")
    assert await both.read.lies_above("example")
    assert await both.read.lies_above("B.Spam.Example")
    assert not await both.read.lies_above("a.b.spam.example")
    assert not await both.read.lies_above("pam.example")
    assert not await both.read.lies_above("c.b.spam.example")


async def test_entries_are_replaced_listed_and_removed(both: Both) -> None:
    serial = await both.read.serial()
    assert await both.add("b.test", "a.test", "192.0.2.9") == 3
    assert await both.read.serial() > serial
    assert await both.add("b.test", "c.test") == 1
    rows = await both.read.entries()
    assert [row.target for row in rows] == ["192.0.2.9/32", "a.test", "b.test", "c.test"]
    assert rows[1].note == "note of a.test"
    assert rows[1].added_at == 7.0
    assert [row.target for row in await both.read.entries(pattern="*.TEST", limit=2)] == ["a.test", "b.test"]
    assert [row.target for row in await both.read.entries(after="b.test")] == ["c.test"]
    assert await both.write.remove(["a.test", "192.0.2.9/32", "unknown.test"]) == 2
    assert await both.domain("a.test") == ""
    assert await both.network("192.0.2.9") == ""


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("192.168.", "192.168.0.0/16"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("Example.COM.", "example.com"),
        ("münchen.example", "xn--mnchen-3ya.example"),
    ],
)
def test_entries_are_written_as_people_write_them(text: str, target: str) -> None:
    assert reject_entry(text).target == target


@pytest.mark.parametrize(
    "text", ["", " ", "192.168", "300.1.2.3", "10.0.0.0/33", "a..b", "user@example.com", "1.2.3.4.5", "[1.2.3.4]"]
)
def test_what_is_neither_network_nor_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        reject_entry(text)


def test_notes_are_one_harmless_line() -> None:
    assert reject_entry("a.test", "line\r\nbreak\x00 and\tmore " + "x" * 500).note.startswith("line break and more xxx")
    assert len(reject_entry("a.test", "x" * 500).note) == 200


async def test_questions_about_a_hundred_thousand_entries_are_quick_and_right(tmp_path: Path) -> None:
    chance = random.Random(4)
    disk = on_disk(tmp_path)
    both = next(disk)
    bits = {str(ipaddress.IPv4Address(chance.getrandbits(32))): chance.choice([32, 32, 32, 28, 24, 16]) for _ in range(80_000)}
    networks = {str(ipaddress.ip_network(f"{address}/{length}", strict=False)) for address, length in bits.items()}
    names = {f"d{number}.z{number % 97}.example" for number in range(20_000)}
    await both.write.add([reject_entry(target) for target in (*networks, *names)])
    listed = [network.rpartition("/")[0] for network in chance.sample(sorted(networks), 1000)]
    assert all([await both.network(address) for address in listed])
    strangers = [str(ipaddress.IPv4Address(chance.getrandbits(32))) for _ in range(1000)]
    began = time.process_time()
    for address in strangers:
        await both.network(address)
        await both.domain("mail.d77.z1.example.net")
    took_s = time.process_time() - began
    by_hand = [
        next((f"{network}" for length in (32, 28, 24, 16)
              if (network := str(ipaddress.ip_network(f"{address}/{length}", strict=False))) in networks), "")
        for address in strangers
    ]  # fmt: skip
    assert [await both.network(address) for address in strangers] == by_hand
    assert took_s < 0.5, f"{took_s * 1000:.0f} us a pair"
    for _ in disk:
        pass
