"""What interfaces/blocklists.py promises of the zones at rest, held against every backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from posthouse.backends.memory.blocklists import MemoryBlockListZones
from posthouse.backends.sqlite.blocklists import SqliteBlockListZones, SqliteBlockListZonesWriter
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.blocklists import BlockListZones, BlockListZonesWriter
from posthouse.model.block_list import BlockListZone

ZONE = BlockListZone(
    "bl.test", "both", "tag", 12.5, ("127.0.0.2", "127.0.0.4-127.0.0.7=9"), ("192.0.2.0/24", "friend.test"), enabled=False
)


@dataclass(frozen=True)
class Both:
    read: BlockListZones
    write: BlockListZonesWriter


@pytest.fixture(params=["memory", "sqlite"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Both]:
    if request.param == "memory":
        memory = MemoryBlockListZones()
        yield Both(memory, memory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    reader = SqliteBlockListZones(tmp_path / "directory.db")
    yield Both(reader, SqliteBlockListZonesWriter(database))
    reader.close()
    database.close()


async def test_zones_are_kept_replaced_and_deleted(both: Both) -> None:
    assert list(await both.read.zones()) == []
    await both.write.put_zone(ZONE)
    await both.write.put_zone(BlockListZone("A.Test."))
    assert list(await both.read.zones()) == [BlockListZone("a.test"), ZONE]
    await both.write.put_zone(replace(ZONE, points=1.0))
    assert (await both.read.zones())[1].points == 1.0
    await both.write.delete_zone("BL.test")
    assert list(await both.read.zones()) == [BlockListZone("a.test")]
    with pytest.raises(NotFound):
        await both.write.delete_zone("bl.test")


@pytest.mark.parametrize(
    "bad",
    [
        BlockListZone("two words"), BlockListZone("[192.0.2.1]"), BlockListZone("bl.test", points=-1.0),
        BlockListZone("bl.test", codes=("192.0.2.1",)), BlockListZone("bl.test", codes=("127.0.0.9-127.0.0.2",)),
        BlockListZone("bl.test", codes=("127.0.0.2=many",)), BlockListZone("bl.test", codes=("127.0.0.0/4",)),
        BlockListZone("bl.test", exempt=("not a name",)), BlockListZone("bl.test", points=float("nan")),
    ],
)  # fmt: skip
async def test_terms_that_make_no_sense_are_refused(both: Both, bad: BlockListZone) -> None:
    with pytest.raises(BadValue):
        await both.write.put_zone(bad)


@pytest.mark.parametrize(
    ("codes", "answers", "judged"),
    [
        ((), ["127.0.0.2"], ("127.0.0.2", 30.0)),
        ((), ["127.0.0.1"], None),
        ((), ["127.255.255.254"], None),
        ((), ["198.51.100.1"], None),
        ((), [], None),
        ((), ["nonsense", "::1"], None),
        (("127.0.0.10",), ["127.0.0.2"], None),
        (("127.0.0.10", "127.0.0.2=5"), ["127.0.0.2"], ("127.0.0.2", 5.0)),
        (("127.0.0.8/29=40",), ["127.0.0.2", "127.0.0.9"], ("127.0.0.9", 40.0)),
        (("127.0.0.2=10", "127.0.0.4-127.0.0.7=60"), ["127.0.0.2", "127.0.0.5"], ("127.0.0.5", 60.0)),
        (("127.255.255.255",), ["127.255.255.255"], ("127.255.255.255", 30.0)),
    ],
)
def test_answers_are_judged_by_the_codes(codes: tuple[str, ...], answers: list[str], judged: tuple[str, float] | None) -> None:
    assert BlockListZone("bl.test", codes=codes).judge(answers) == judged
