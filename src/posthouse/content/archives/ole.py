"""The container of old Office documents (compound file, OLE2): its storages and streams by name, and their octets.

Every chain of sectors is followed a bounded number of steps, so that loops end. Source: [MS-CFB].
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from posthouse.content.archives.limits import Meter, Trouble
from posthouse.content.archives.source import Source

MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_BYTES = 512
_ENTRY_BYTES = 128
_END = 0xFFFFFFFA
"""Numbers from here on are no sectors."""
_MAX_TABLE_SECTORS = 4_096
_STORAGE, _STREAM, _ROOT = 1, 2, 5


@dataclass(frozen=True, slots=True)
class Stream:
    """``path`` has the names of the storages that it stands in and its own, ``Macros/VBA/Module1``."""

    path: str
    size_bytes: int
    first_sector: int


class Container:
    """Raises Trouble("broken") when made of something else; Enough when the directory is too large."""

    def __init__(self, source: Source, meter: Meter) -> None:
        self._source = source
        self._meter = meter
        header = source.read(0, _HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(MARK):
            raise Trouble("broken")
        shift, mini_shift = struct.unpack_from("<HH", header, 30)
        if not 7 <= shift <= 16 or not 2 <= mini_shift < shift:
            raise Trouble("broken")
        self._sector_bytes, self._mini_bytes = 1 << shift, 1 << mini_shift
        directory, _, self._cutoff_bytes, mini_table, _, more, _ = struct.unpack_from("<7L", header, 48)
        self._table = self._sector_table([*struct.unpack_from("<109L", header, 76)], more)
        self._mini_table = _numbers(b"".join(self._chain(mini_table, _MAX_TABLE_SECTORS * self._sector_bytes)))
        entries = self._directory(directory)
        self._mini = self._read_mini(entries)
        self.streams = tuple(self._walk(entries))

    def octets(self, stream: Stream, most: int) -> bytes:
        """The first ``most`` octets of a stream, as far as its chain leads."""
        size = min(stream.size_bytes, most)
        if stream.size_bytes >= self._cutoff_bytes:
            return b"".join(self._chain(stream.first_sector, size))[:size]
        out, sector = bytearray(), stream.first_sector
        for _ in range(-(-size // self._mini_bytes)):
            if sector >= len(self._mini_table):
                break
            out += self._mini[sector * self._mini_bytes : (sector + 1) * self._mini_bytes]
            sector = self._mini_table[sector]
        return bytes(out[:size])

    def _sector(self, number: int) -> bytes:
        return self._source.read((number + 1) * self._sector_bytes, self._sector_bytes)

    def _sector_table(self, first: list[int], more: int) -> array[int]:
        """The FAT, from the sectors that the header and the chain of the DIFAT name."""
        places = [number for number in first if number < _END]
        steps = 0
        while more < _END and steps < _MAX_TABLE_SECTORS // 64:
            numbers = _numbers(self._sector(more))
            if not numbers:
                break
            places += [number for number in numbers[:-1] if number < _END]
            more = numbers[-1]
            steps += 1
        return _numbers(b"".join(self._sector(number) for number in places[:_MAX_TABLE_SECTORS]))

    def _chain(self, sector: int, most: int) -> Iterator[bytes]:
        for step in range(-(-most // self._sector_bytes)):
            if sector >= len(self._table):
                return
            if step % 64 == 0:
                self._meter.time()
            yield self._sector(sector)
            sector = self._table[sector]

    def _directory(self, first: int) -> list[bytes]:
        entries: list[bytes] = []
        for piece in self._chain(first, self._source.size):
            for at in range(0, len(piece) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
                self._meter.member()
                entries.append(piece[at : at + _ENTRY_BYTES])
        if not entries or entries[0][66] != _ROOT:
            raise Trouble("broken")
        return entries

    def _read_mini(self, entries: list[bytes]) -> bytes:
        first, size = struct.unpack_from("<LL", entries[0], 116)
        return b"".join(self._chain(first, min(size, self._source.size)))

    def _walk(self, entries: list[bytes]) -> Iterator[Stream]:
        """Each entry once, whatever the tree of siblings says."""
        waiting = [(struct.unpack_from("<L", entries[0], 76)[0], "")]
        seen = set()
        while waiting:
            number, prefix = waiting.pop()
            if number >= len(entries) or number in seen:
                continue
            seen.add(number)
            entry = entries[number]
            left, right, child = struct.unpack_from("<3L", entry, 68)
            waiting += [(left, prefix), (right, prefix)]
            path = prefix + _name(entry)
            if entry[66] == _STORAGE:
                waiting.append((child, f"{path[-200:]}/"))
            elif entry[66] == _STREAM:
                first, size = struct.unpack_from("<LL", entry, 116)
                yield Stream(path, size, first)


def _name(entry: bytes) -> str:
    size = max(0, min(64, struct.unpack_from("<H", entry, 64)[0]) - 2)
    return entry[:size].decode("utf-16-le", "replace").replace("/", "_")


def _numbers(octets: bytes) -> array[int]:
    numbers = array("I", octets[: len(octets) // 4 * 4])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
