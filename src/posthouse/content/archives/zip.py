"""ZIP, as strangers write it: the directory at the end, what stands before it and what it hides. PKWARE APPNOTE 6.3.10.

Programs disagree about broken ZIPs, and attackers use it. So members that only a reader from the front would see are given
too, and members that share octets (one kernel of data under many names) make a bomb: no honest program writes them.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from posthouse.content.archives import streams
from posthouse.content.archives.entry import Entry
from posthouse.content.archives.limits import Enough, Meter, Trouble
from posthouse.content.archives.source import Source, chunks

_END = b"PK\x05\x06"
_END_BYTES = 22
_MAX_COMMENT_BYTES = 65_535
_LOCATOR_BYTES = 20
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DIRECTORY_PIECE_BYTES = 1 << 20
_ENCRYPTED, _DESCRIPTOR, _UTF8, _MASKED = 1, 8, 1 << 11, 1 << 13
_MAX32 = 0xFFFFFFFF
_MAX_OVERLAPS = 8


@dataclass(frozen=True, slots=True)
class _Header:
    """A central header, or a local one that stands for it. ``local_at`` is where the local header begins."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    local_at: int


def has_directory(source: Source) -> bool:
    """Whether a ZIP ends here, whatever the octets begin like (self-extracting programs, disguises)."""
    found = _end_record(source)
    return found is not None and source.read(found[0] - found[1], 4) == b"PK\x01\x02"


def entries(source: Source, meter: Meter) -> Iterator[Entry]:
    """Directory first, then what it hides. Raises Enough for overlapping members, Trouble("broken") when nothing fits."""
    found = _end_record(source)
    headers: list[_Header] = []
    start, enough = _directory(source, found, meter, headers) if found is not None else (source.size, None)
    placed = [(header, _data_at(source, header)) for header in headers]
    spans = sorted((header.local_at, at + header.packed_bytes) for header, at in placed if at >= 0)
    overlaps = sum(following[0] < before[1] for before, following in itertools.pairwise(spans))
    if overlaps > _MAX_OVERLAPS:
        raise Enough("overlapping")
    for header, at in placed:
        yield _entry(source, header, at)
    if enough is not None:
        raise enough
    for gap_start, gap_end in _gaps(spans, start):
        yield from _hidden(source, gap_start, gap_end, meter)
    nothing = not headers and source.read(0, 4) != b"PK\x03\x04"
    if overlaps or nothing or len(spans) < len(headers):
        raise Trouble("broken")


def _end_record(source: Source) -> tuple[int, int, int] | None:
    """Where the end record is, the directory's size, and its place as declared; looked for from the end."""
    start = max(0, source.size - _END_BYTES - _MAX_COMMENT_BYTES)
    tail = source.read(start, source.size - start)
    at = len(tail)
    while (at := tail.rfind(_END, 0, at)) >= 0:
        if len(tail) - at >= _END_BYTES:
            size, place = struct.unpack_from("<LL", tail, at + 12)
            return _zip64(source, start + at, size, place) or (start + at, size, place)
    return None


def _zip64(source: Source, end_at: int, size: int, place: int) -> tuple[int, int, int] | None:
    """The same from the 64-bit record, if there is one."""
    locator = source.read(end_at - _LOCATOR_BYTES, _LOCATOR_BYTES)
    if not locator.startswith(b"PK\x06\x07") or len(locator) < _LOCATOR_BYTES:
        return None
    declared = struct.unpack_from("<Q", locator, 8)[0]
    for at in (declared, end_at - _LOCATOR_BYTES - 56):
        record = source.read(at, 56) if at < source.size else b""
        if record.startswith(b"PK\x06\x06") and len(record) == 56:
            size64, place64 = struct.unpack_from("<QQ", record, 40)
            return at, size64 if size == _MAX32 else size, place64 if place == _MAX32 else place
    return None


def _directory(source: Source, end: tuple[int, int, int], meter: Meter, headers: list[_Header]) -> tuple[int, Enough | None]:
    """Adds the central headers and gives where the first of them is; the end of it if there were too many to take them all.
    Junk in front of the archive moves every place in it."""
    end_at, size, place = end
    start = end_at - size
    if start < 0 or source.read(start, 4) != b"PK\x01\x02":
        start = place
    moved = start - place if start >= place else 0
    reading = _Window(source, start, end_at)
    while (fixed := reading.take(_CENTRAL.size)) and len(fixed) == _CENTRAL.size and fixed.startswith(b"PK\x01\x02"):
        try:
            meter.member()
        except Enough as enough:
            return start, enough
        (_, _, _, flags, method, _, _, crc, packed, unpacked, names, extras, comments, _, _, _, at) = _CENTRAL.unpack(fixed)
        name = reading.take(names)
        extra = reading.take(extras)
        reading.take(comments)
        if _MAX32 in (packed, unpacked, at):
            unpacked, packed, at = _wide(extra, unpacked, packed, at)
        headers.append(_Header(name, flags, method, crc, packed, unpacked, at + moved))
    return (start if headers else source.size), None


class _Window:
    """Reads forward in large pieces."""

    def __init__(self, source: Source, start: int, end: int) -> None:
        self._source = source
        self._next = start
        self._end = min(end, source.size)
        self._held = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        if len(self._held) - self._at < count:
            room = max(0, self._end - self._next)
            new = self._source.read(self._next, min(_DIRECTORY_PIECE_BYTES, room)) if room else b""
            self._next += len(new)
            self._held, self._at = self._held[self._at :] + new, 0
        taken = self._held[self._at : self._at + count]
        self._at += count
        return taken


def _wide(extra: bytes, unpacked: int, packed: int, at: int) -> tuple[int, int, int]:
    """Sizes and place from the 64-bit extra field (APPNOTE §4.5.3)."""
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            words = [word for (word,) in struct.iter_unpack("<Q", extra[position + 4 : position + 4 + size // 8 * 8])]
            out = []
            for value in (unpacked, packed, at):
                out.append(words.pop(0) if value == _MAX32 and words else value)
            return out[0], out[1], out[2]
        position += 4 + size
    return unpacked, packed, at


def _data_at(source: Source, header: _Header) -> int:
    """Where a member's data begins; -1 if its local header is not where the directory says."""
    local = source.read(header.local_at, _LOCAL.size)
    if len(local) < _LOCAL.size or not local.startswith(b"PK\x03\x04"):
        return -1
    names, extras = struct.unpack_from("<HH", local, 26)
    return header.local_at + _LOCAL.size + int(names) + int(extras)


def _gaps(spans: list[tuple[int, int]], start: int) -> Iterator[tuple[int, int]]:
    """What lies between members, and in front of the directory."""
    position = 0
    for begins, ends in [*spans, (start, start)]:
        if begins > position:
            yield position, begins
        position = max(position, ends)


def _hidden(source: Source, start: int, end: int, meter: Meter) -> Iterator[Entry]:
    """Members of the gap [start:end] that no directory names; without a directory, all of them."""
    position = start
    while position + _LOCAL.size <= end:
        local = source.read(position, _LOCAL.size)
        if not local.startswith(b"PK\x03\x04") or len(local) < _LOCAL.size:
            return
        meter.member()
        _, _, flags, method, _, _, crc, packed, unpacked, names, extras = _LOCAL.unpack(local)
        name = source.read(position + _LOCAL.size, names)
        extra = source.read(position + _LOCAL.size + names, extras)
        if _MAX32 in (packed, unpacked):
            unpacked, packed, _ = _wide(extra, unpacked, packed, 0)
        data_at = position + _LOCAL.size + names + extras
        if flags & _DESCRIPTOR and not packed:
            packed = _to_next(source, data_at, end, meter) - data_at
            unpacked = -1
        yield _entry(source, _Header(name, flags, method, crc, packed, unpacked, position), data_at)
        position = data_at + packed
        if flags & _DESCRIPTOR:
            position = _to_next(source, position, end, meter)


def _to_next(source: Source, start: int, end: int, meter: Meter) -> int:
    """Where the next local header begins, or ``end``."""
    position = start
    while position < end:
        piece = source.read(position, min(1 << 16, end - position))
        found = piece.find(b"PK\x03\x04")
        if found >= 0:
            return position + found
        if len(piece) < 4:
            return end
        meter.time()
        position += len(piece) - 3
    return end


def _entry(source: Source, header: _Header, data_at: int) -> Entry:
    name = header.name.decode("utf-8", "replace") if header.flags & _UTF8 else _old_name(header.name)
    encrypted = bool(header.flags & (_ENCRYPTED | _MASKED)) or header.method == 99
    unpack = None
    if data_at >= 0 and not encrypted and not name.endswith("/"):
        unpack = _unpacker(source, header, data_at)
    return Entry(name, header.size_bytes, header.packed_bytes, encrypted, header.crc, unpack)


def _old_name(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")


def _unpacker(source: Source, header: _Header, data_at: int) -> Callable[[], Iterator[bytes]]:
    def unpack() -> Iterator[bytes]:
        packed = chunks(source, data_at, header.packed_bytes)
        if header.method == 0:
            return packed
        if header.method == 8:
            return streams.deflated(packed)
        if header.method == 12:
            return streams.bunzipped(packed)
        if header.method == 14:
            return _lzma(source, header, data_at)
        if header.method == 93:
            return streams.unzstd(packed)
        if header.method == 95:
            return streams.unxzed(packed)
        raise Trouble("unknown compression")

    return unpack


def _lzma(source: Source, header: _Header, data_at: int) -> Iterator[bytes]:
    """APPNOTE §5.8.8: two octets of version, two of size, the properties."""
    head = source.read(data_at, 9)
    size = int.from_bytes(head[2:4], "little")
    packed = chunks(source, data_at + 4 + size, header.packed_bytes - 4 - size)
    return streams.lzma_raw(packed, head[4:9], header.size_bytes if header.size_bytes >= 0 else 1 << 62)
