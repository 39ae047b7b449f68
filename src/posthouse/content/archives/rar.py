"""RAR 4 and 5: the headers only (names, sizes, encryption); what is packed in them no free program may pack or unpack.

Stored members can be looked into. Source: the published notes on both formats ("RAR 5.0 archive format", technote.txt).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from posthouse.content.archives.entry import Entry
from posthouse.content.archives.limits import Meter, Trouble
from posthouse.content.archives.source import Source, chunks

OLD_MARK = b"Rar!\x1a\x07\x00"
NEW_MARK = b"Rar!\x1a\x07\x01\x00"
_MAX_HEADER_BYTES = 1 << 21
HIDDEN = Entry("", -1, -1, encrypted=True)
"""What is given for an archive whose very names are encrypted."""


def entries(source: Source, meter: Meter) -> Iterator[Entry]:
    """Raises Trouble("broken") where the chain of headers breaks; members before are given."""
    if source.read(0, len(NEW_MARK)) == NEW_MARK:
        return _new(source, meter)
    return _old(source, meter)


def _old(source: Source, meter: Meter) -> Iterator[Entry]:
    position = len(OLD_MARK)
    while position < source.size:
        fixed = source.read(position, 7)
        if len(fixed) < 7:
            raise Trouble("broken")
        _, kind, flags, size = struct.unpack("<HBHH", fixed)
        if size < 7:
            raise Trouble("broken")
        meter.member()
        header = source.read(position, size)
        if kind == 0x73 and flags & 0x80:
            yield HIDDEN
            return
        added = int.from_bytes(header[7:11], "little") if flags & 0x8000 or kind == 0x74 else 0
        if kind == 0x74:
            if len(header) < 32:
                raise Trouble("broken")
            found, added = _old_file(source, header, flags, position + size)
            if found is not None:
                yield found
        if kind == 0x7B:
            return
        position += size + added


def _old_file(source: Source, header: bytes, flags: int, data_at: int) -> tuple[Entry | None, int]:
    packed, size, _, crc, _, _, method, name_size, attributes = struct.unpack_from("<LLBLLBBHL", header, 7)
    at = 32
    if flags & 0x100 and len(header) >= 40:
        high_packed, high_size = struct.unpack_from("<LL", header, 32)
        packed += high_packed << 32
        size += high_size << 32
        at = 40
    plain, _, coded = header[at : at + name_size].partition(b"\0")
    name = _old_name(plain, coded) if flags & 0x200 and coded else plain.decode("utf-8", "replace")
    if flags & 0xE0 == 0xE0 or (attributes & 0x10 and not size):
        return None, packed
    encrypted = bool(flags & 4)
    unpack = _stored(source, data_at, packed) if method == 0x30 and not encrypted else None
    return Entry(name, size, packed, encrypted, crc, unpack), packed


def _old_name(plain: bytes, coded: bytes) -> str:
    """The name's Unicode form: two bits before each piece tell how it is written."""
    out: list[str] = []
    high = coded[0] if coded else 0
    position, flags, bits = 1, 0, 0
    while position < len(coded) and len(out) < 1_000:
        if not bits:
            flags, bits = coded[position], 8
            position += 1
            continue
        bits -= 2
        how = flags >> bits & 3
        octets = coded[position : position + 2]
        if not octets:
            break
        if how == 0:
            out.append(chr(octets[0]))
        elif how == 1:
            out.append(chr(octets[0] | high << 8))
        elif how == 2:
            out.append(chr(int.from_bytes(octets, "little")))
        else:
            out += _copied(plain, len(out), octets, high)
        position += 2 if how == 2 or (how == 3 and octets[0] & 0x80) else 1
    return "".join(out).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _copied(plain: bytes, start: int, octets: bytes, high: int) -> list[str]:
    """A run taken from the plain name."""
    count = (octets[0] & 0x7F) + 2
    if not octets[0] & 0x80:
        return [chr(octet) for octet in plain[start : start + count]]
    correction = octets[1] if len(octets) > 1 else 0
    return [chr((octet + correction & 0xFF) | high << 8) for octet in plain[start : start + count]]


def _new(source: Source, meter: Meter) -> Iterator[Entry]:
    position = len(NEW_MARK)
    while position < source.size:
        meter.member()
        head = source.read(position + 4, 3)
        size, size_bytes = _vint(head, 0)
        if not size_bytes or not 0 < size <= _MAX_HEADER_BYTES:
            raise Trouble("broken")
        at = position + 4 + size_bytes
        header = source.read(at, size)
        if len(header) < size:
            raise Trouble("broken")
        reading = _Reading(header)
        kind, flags = reading.number(), reading.number()
        extra_size = reading.number() if flags & 1 else 0
        data_size = reading.number() if flags & 2 else 0
        data_at = at + size
        if kind == 4:
            yield HIDDEN
            return
        if kind == 5:
            return
        if kind == 2:
            extra = header[max(0, size - extra_size) :] if extra_size else b""
            found = _new_file(source, reading, extra, data_at, data_size)
            if found is not None:
                yield found
        position = data_at + data_size


def _new_file(source: Source, reading: _Reading, extra: bytes, data_at: int, data_size: int) -> Entry | None:
    flags, size = reading.number(), reading.number()
    reading.number()  # attributes
    if flags & 2:
        reading.skip(4)
    crc = int.from_bytes(reading.octets(4), "little") if flags & 4 else 0
    how = reading.number()
    reading.number()  # host system
    name = reading.octets(reading.number()).decode("utf-8", "replace")
    if flags & 1:
        return None
    encrypted = _has_record(extra, 1)
    stored = not how >> 7 & 7 and not encrypted
    return Entry(
        name,
        -1 if flags & 8 else size,
        data_size,
        encrypted,
        crc,
        _stored(source, data_at, data_size) if stored else None,
    )


def _has_record(extra: bytes, wanted: int) -> bool:
    position = 0
    while position < len(extra):
        size, count = _vint(extra, position)
        if not count or not size:
            return False
        kind, _ = _vint(extra, position + count)
        if kind == wanted:
            return True
        position += count + size
    return False


class _Reading:
    """Fields of a header one after another. Raises Trouble("broken") past its end."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._at = 0

    def number(self) -> int:
        value, count = _vint(self._header, self._at)
        if not count:
            raise Trouble("broken")
        self._at += count
        return value

    def skip(self, count: int) -> None:
        self._at += count

    def octets(self, count: int) -> bytes:
        found = self._header[self._at : self._at + count]
        self._at += len(found)
        return found


def _vint(octets: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits an octet, and how many octets it took; 0 octets if there is none."""
    value = 0
    for count, octet in enumerate(octets[at : at + 10], 1):
        value |= (octet & 0x7F) << 7 * (count - 1)
        if not octet & 0x80:
            return value, count
    return 0, 0


def _stored(source: Source, start: int, size: int) -> Callable[[], Iterator[bytes]]:
    return lambda: chunks(source, start, size)
