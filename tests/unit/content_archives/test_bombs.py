"""A bomb is a verdict, never a crash, never memory: each bound of CON-14 is met by the attack that it is for."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import resource
import struct
import time
import tracemalloc
import zipfile

import pytest
import zstandard

from posthouse.content.archives.limits import ArchiveLimits
from posthouse.content.archives.opening import Opened, look_into
from support import archives
from support.archives import MIB, zipped

SMALL = ArchiveLimits(unpacked_bytes=32 * MIB, ratio_from_bytes=MIB)


def opened(octets: bytes, limits: ArchiveLimits = SMALL) -> Opened:
    return look_into(octets, "a", limits, time.monotonic)


@pytest.mark.parametrize("pack", ["zip", "gzip", "bzip2", "xz", "zstd"])
def test_a_ratio_that_no_honest_file_has_is_a_bomb(pack: str) -> None:
    zeros = bytes(20 * MIB)
    made = {
        "zip": lambda: zipped({"a": zeros}),
        "gzip": lambda: gzip.compress(zeros),
        "bzip2": lambda: bz2.compress(zeros),
        "xz": lambda: lzma.compress(zeros),
        "zstd": lambda: zstandard.compress(zeros),
    }[pack]()
    found = opened(made)
    assert found.bomb == "ratio"
    assert found.unpacked_bytes < 6 * MIB


def test_what_unpacks_to_more_than_is_allowed_is_too_big() -> None:
    found = opened(
        zipped({f"{number}": bytes(MIB) * 4 for number in range(10)}), ArchiveLimits(unpacked_bytes=32 * MIB, ratio=9_999)
    )
    assert found.bomb == "too big"
    assert found.unpacked_bytes <= 33 * MIB


def test_honest_compression_of_repetitive_text_is_no_bomb() -> None:
    log = b"".join(
        f"2026-11-24 10:{n % 60:02} mx1 smtpd[{n}]: connect from {n * 7919 % 256}\n".encode() for n in range(500_000)
    )
    assert not look_into(gzip.compress(log), "mail.log.gz", ArchiveLimits(), time.monotonic).problems


def test_nesting_ends_where_the_limit_says() -> None:
    assert opened(archives.nested(10)).bomb == ""
    assert opened(archives.nested(11)).bomb == "too deep"
    assert opened(archives.nested(400)).bomb == "too deep"


def test_a_gzip_that_holds_itself_again_and_again_is_too_deep() -> None:
    assert opened(archives.gzip_quine()).bomb == "too deep"


def test_many_names_for_the_same_octets_overlap() -> None:
    found = opened(archives.overlapping(1_000))
    assert found.bomb == "overlapping"
    assert not found.unpacked_bytes


def test_a_size_that_a_rar_only_declares_counts() -> None:
    archive = bytearray(archives.rar4({"a": b"x" * 100}, encrypted=True))
    at = archive.index(b"\x74")
    struct.pack_into("<L", archive, at + 9, 0xFFFFFFFF)
    assert opened(bytes(archive)).bomb in ("too big", "ratio")


def test_too_many_members_are_listed_up_to_the_limit_and_said() -> None:
    found = opened(zipped({f"{number}.txt": b"" for number in range(120)}), ArchiveLimits(members=100))
    assert len(found.members) == 100
    assert found.problems == ("too many",)
    assert not found.bomb


def test_time_that_is_up_is_said() -> None:
    ticks = iter(range(10**6))
    found = look_into(zipped({"a": bytes(MIB)}), "a", ArchiveLimits(seconds=5), lambda: float(next(ticks)))
    assert found.problems == ("too slow",)


def test_a_million_empty_streams_end_by_the_clock() -> None:
    start = time.process_time()
    found = opened(gzip.compress(b"") * 200_000, ArchiveLimits(seconds=0.1))
    assert time.process_time() - start < 2.0
    assert found.problems == ("too slow",)


def test_memory_stays_small_while_a_bomb_is_looked_at() -> None:
    middle = zipped({f"{number}": bytes(8 * MIB) for number in range(4)})
    bomb = zipped({f"{number}.zip": middle for number in range(20)}, zipfile.ZIP_STORED)
    tracemalloc.start()
    found = look_into(bomb, "a", ArchiveLimits(ratio=10**6, unpacked_bytes=200 * MIB), time.monotonic)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.bomb == "too big"
    assert peak < 8 * MIB, f"{peak >> 20} MiB"


def test_a_nested_archive_of_hundreds_of_megabytes_does_not_stay_in_memory() -> None:
    middle = io.BytesIO()
    with zipfile.ZipFile(middle, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("zeros", bytes(96 * MIB))
    bomb = zipped({"middle.zip": middle.getvalue()})
    del middle
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    look_into(bomb, "a", ArchiveLimits(ratio=10**6), time.monotonic)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 << 10


def test_xz_that_wants_gigabytes_for_its_dictionary_is_refused() -> None:
    packed = lzma.compress(b"x" * 100, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    greedy = bytearray(packed)
    at = greedy.index(b"\x21\x01", 12)
    greedy[at + 2] = 40
    head = greedy[12 : 12 + (greedy[12] + 1) * 4]
    import zlib

    greedy[12 + len(head) - 4 : 12 + len(head)] = struct.pack("<L", zlib.crc32(bytes(head[:-4])))
    assert opened(bytes(greedy)).problems == ("broken",)
