"""Whatever the octets, opening archives ends, in bounded time, without an exception (CON-14)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import time
import zipfile

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.content.archives.limits import ArchiveLimits
from posthouse.content.archives.opening import look_into
from support import archives

LIMITS = ArchiveLimits(depth=6, members=500, unpacked_bytes=4 << 20, ratio_from_bytes=1 << 18, seconds=2.0)
INNER = archives.zipped({"run.exe": archives.PROGRAM, "in.zip": archives.zipped({"a.txt": b"a" * 500})})
SEEDS = {
    "zip": INNER,
    "zip stored": archives.zipped({"a": INNER}, zipfile.ZIP_STORED),
    "zip lzma": archives.zipped({"a": b"hello" * 99}, zipfile.ZIP_LZMA),
    "overlap": archives.overlapping(20, 4_096),
    "hidden": archives.with_hidden_member({"a": b"a"}, {"b": b"b"}),
    "tar": archives.tarred({"x" * 120: b"a" * 700, "b.zip": INNER}),
    "gzip": gzip.compress(INNER),
    "bzip2": bz2.compress(INNER),
    "xz": lzma.compress(INNER),
    "zstd": zstandard.compress(INNER),
    "rar4": archives.rar4({"a.txt": b"a", "b.zip": INNER}),
    "rar5": archives.rar5({"a.txt": b"a", "b.zip": INNER}, encrypted=True),
    "7z": archives.seven("a.txt", b"hello"),
    "word": archives.word(archives.MACRO),
    "old word": archives.old_word(archives.MACRO),
}


def check(octets: bytes, name: str = "a") -> None:
    start = time.process_time()
    found = look_into(octets, name, LIMITS, time.monotonic)
    assert time.process_time() - start < 4.0
    assert found.unpacked_bytes <= LIMITS.unpacked_bytes + (1 << 17)
    assert len(found.members) <= LIMITS.members + 1


def test_every_seed_is_opened() -> None:
    for name, octets in SEEDS.items():
        found = look_into(octets, "a", LIMITS, time.monotonic)
        assert found.members or found.macros or found.bomb == "overlapping", name


@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_changed_octets_never_break_it(seed: str, data: st.DataObject) -> None:
    octets = bytearray(SEEDS[seed])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at : at + data.draw(st.integers(1, 4))] = data.draw(st.binary(min_size=0, max_size=8))
        if not octets:
            break
    check(bytes(octets))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_truncation_ends(seed: str) -> None:
    octets = SEEDS[seed]
    step = max(1, len(octets) // 60)
    for size in range(0, len(octets), step):
        check(octets[:size])


MARKS = [
    b"PK\x03\x04", b"PK\x05\x06", b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08", b"BZh9",
    b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MARKS), st.binary(max_size=2_000), st.sampled_from(["a.zip", "a.tar", "a.lzma", "a"]))
def test_any_octets_behind_a_mark_end(mark: bytes, rest: bytes, name: str) -> None:
    check(mark + rest, name)
