"""7z: the header at the end tells names, sizes and coders; folders with one plain coder are unpacked too.

Encryption shows by its coder, on the members or on the header itself. Source: 7zFormat.txt of the LZMA SDK (public domain).
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from posthouse.content.archives import streams
from posthouse.content.archives.entry import Entry
from posthouse.content.archives.limits import Meter, Trouble
from posthouse.content.archives.rar import HIDDEN
from posthouse.content.archives.source import Source, chunks

MARK = b"7z\xbc\xaf\x27\x1c"
_START_BYTES = 32
_MAX_HEADER_BYTES = 2 << 20
_MAX_CODERS = 32
_AES = b"\x06\xf1\x07\x01"
_COPY, _LZMA, _LZMA2, _DEFLATE, _BZIP2 = b"\0", b"\x03\x01\x01", b"\x21", b"\x04\x01\x08", b"\x04\x02\x02"
_FILTERS = {
    b"\x03\x03\x01\x03": lzma.FILTER_X86,
    b"\x04": lzma.FILTER_X86,
    b"\x03\x03\x05\x01": lzma.FILTER_ARM,
    b"\x07": lzma.FILTER_ARM,
}
_END, _HEADER, _PROPERTIES, _STREAMS, _FILES, _PACK, _UNPACK, _SUBSTREAMS = 0, 1, 2, 4, 5, 6, 7, 8
_SIZE, _CRC, _FOLDER, _CODERS_SIZE, _NUM_STREAMS, _EMPTY, _NAMES, _ENCODED = 9, 10, 11, 12, 13, 14, 17, 23


@dataclass(slots=True)
class _Folder:
    """What was packed together. ``coders`` are (method, properties); ``sizes`` of what its coders put out."""

    coders: list[tuple[bytes, bytes]]
    outputs: int
    packed_streams: int
    main_output: int
    sizes: list[int] = field(default_factory=list)
    packed_at: int = 0
    packed_bytes: int = 0
    files: list[int] = field(default_factory=list)

    @property
    def encrypted(self) -> bool:
        return any(method == _AES for method, _ in self.coders)

    @property
    def size_bytes(self) -> int:
        return self.sizes[self.main_output] if self.main_output < len(self.sizes) else 0


def entries(source: Source, meter: Meter) -> Iterator[Entry]:
    """Raises Trouble("broken")."""
    start = source.read(0, _START_BYTES)
    if len(start) < _START_BYTES or not start.startswith(MARK):
        raise Trouble("broken")
    at, size = int.from_bytes(start[12:20], "little"), int.from_bytes(start[20:28], "little")
    if not size:
        return
    if size > _MAX_HEADER_BYTES or at + _START_BYTES + size > source.size:
        raise Trouble("broken")
    header = source.read(_START_BYTES + at, size)
    for _ in range(4):  # a header packed in a header, as 7-Zip does once
        reading = _Reading(header)
        kind = reading.byte()
        if kind == _HEADER:
            yield from _members(source, reading, meter)
            return
        if kind != _ENCODED:
            raise Trouble("broken")
        folders = _streams(reading)
        if any(folder.encrypted for folder in folders):
            yield HIDDEN
            return
        if not folders or folders[0].size_bytes > _MAX_HEADER_BYTES:
            raise Trouble("broken")
        header = b"".join(meter.pieces(_unpacked(source, folders[0]), max(folders[0].packed_bytes, _MAX_HEADER_BYTES)))
    raise Trouble("broken")


def _members(source: Source, reading: _Reading, meter: Meter) -> Iterator[Entry]:
    folders: list[_Folder] = []
    names: list[str] = []
    empty: set[int] = set()
    kind = reading.byte()
    if kind == _PROPERTIES:
        while reading.byte() != _END:
            reading.skip(reading.number())
        kind = reading.byte()
    if kind == 3:  # additional streams
        _streams(reading)
        kind = reading.byte()
    if kind == _STREAMS:
        folders = _streams(reading)
        kind = reading.byte()
    if kind == _FILES:
        names, empty = _files(reading, meter)
    full = iter([name for number, name in enumerate(names) if number not in empty])
    for folder in folders:
        position, tape = 0, _Tape(source, folder)
        for size in folder.files:
            unpack = None if folder.encrypted else partial(tape.member, position, size)
            yield Entry(next(full, ""), size, _share(folder, size), folder.encrypted, 0, unpack)
            position += size


def _share(folder: _Folder, size: int) -> int:
    """A member's part of what its folder was packed to."""
    return folder.packed_bytes * size // folder.size_bytes if folder.size_bytes else 0


def _files(reading: _Reading, meter: Meter) -> tuple[list[str], set[int]]:
    count = reading.count()
    for _ in range(count):
        meter.member()
    names: list[str] = []
    empty: set[int] = set()
    while (kind := reading.byte()) != _END:
        size = reading.number()
        data = reading.octets(size)
        if kind == _NAMES and data[:1] == b"\0":
            text = data[1:].decode("utf-16-le", "replace")
            names = text.split("\0")[:count]
        elif kind == _EMPTY:
            empty = {number for number in range(min(count, len(data) * 8)) if data[number >> 3] & 0x80 >> (number & 7)}
    return names, empty


def _streams(reading: _Reading) -> list[_Folder]:
    """StreamsInfo: where packed streams are, how folders unpack them, which files share a folder."""
    packed_at, packed_sizes = 0, [0]
    folders: list[_Folder] = []
    kind = reading.byte()
    if kind == _PACK:
        packed_at, packed_sizes = _packed(reading)
        kind = reading.byte()
    if kind == _UNPACK:
        folders = _folders(reading)
        kind = reading.byte()
    position, stream = packed_at + _START_BYTES, 0
    for folder in folders:
        sizes = packed_sizes[stream : stream + folder.packed_streams]
        folder.packed_at, folder.packed_bytes = position, sum(sizes)
        folder.files = [folder.size_bytes]
        position += folder.packed_bytes
        stream += folder.packed_streams
    if kind == _SUBSTREAMS:
        _substreams(reading, folders)
        kind = reading.byte()
    if kind != _END:
        raise Trouble("broken")
    return folders


def _packed(reading: _Reading) -> tuple[int, list[int]]:
    at, count = reading.number(), reading.count()
    sizes: list[int] = []
    while (kind := reading.byte()) != _END:
        if kind == _SIZE:
            sizes = [reading.number() for _ in range(count)]
        elif kind == _CRC:
            reading.digests(count)
        else:
            raise Trouble("broken")
    return at, sizes


def _folders(reading: _Reading) -> list[_Folder]:
    reading.expect(_FOLDER)
    count = reading.count()
    if reading.byte():  # kept elsewhere: nobody writes that
        raise Trouble("broken")
    folders = [_folder(reading) for _ in range(count)]
    reading.expect(_CODERS_SIZE)
    for folder in folders:
        folder.sizes = [reading.number() for _ in range(folder.outputs)]
    while (kind := reading.byte()) != _END:
        if kind != _CRC:
            raise Trouble("broken")
        reading.digests(count)
    return folders


def _folder(reading: _Reading) -> _Folder:
    coders: list[tuple[bytes, bytes]] = []
    inputs = outputs = 0
    count = reading.number()
    if not 0 < count <= _MAX_CODERS:
        raise Trouble("broken")
    for _ in range(count):
        flags = reading.byte()
        method = reading.octets(flags & 15)
        ins, outs = (reading.number(), reading.number()) if flags & 16 else (1, 1)
        if ins > _MAX_CODERS or outs > _MAX_CODERS:
            raise Trouble("broken")
        properties = reading.octets(reading.number()) if flags & 32 else b""
        coders.append((method, properties))
        inputs += ins
        outputs += outs
    bound = set()
    for _ in range(max(0, outputs - 1)):
        reading.number()
        bound.add(reading.number())
    streams_in = inputs - max(0, outputs - 1)
    if streams_in > 1:
        for _ in range(streams_in):
            reading.number()
    main = next((number for number in range(outputs) if number not in bound), 0)
    return _Folder(coders, outputs, max(streams_in, 0), main)


def _substreams(reading: _Reading, folders: list[_Folder]) -> None:
    counts = [1] * len(folders)
    kind = reading.byte()
    if kind == _NUM_STREAMS:
        counts = [reading.count() for _ in folders]
        kind = reading.byte()
    for folder, count in zip(folders, counts, strict=True):
        sizes = [reading.number() for _ in range(count - 1)] if kind == _SIZE else []
        rest = folder.size_bytes - sum(sizes)
        if rest < 0 or (kind != _SIZE and count > 1):
            raise Trouble("broken")
        folder.files = [*sizes, rest] if count else []
    if kind == _SIZE:
        kind = reading.byte()
    while kind != _END:
        if kind != _CRC:
            raise Trouble("broken")
        reading.digests(sum(counts))
        kind = reading.byte()


class _Tape:
    """What a folder unpacks to, read once from its beginning to its end; its members stand on it one behind the other."""

    def __init__(self, source: Source, folder: _Folder) -> None:
        self._source = source
        self._folder = folder
        self._pieces: Iterator[bytes] | None = None
        self._held = b""
        self._at = 0

    def member(self, start: int, size: int) -> Iterator[bytes]:
        """Empty pieces while what stands before is passed over, so that the meter is asked."""
        if self._pieces is None or start < self._at:
            self._pieces, self._held, self._at = _unpacked(self._source, self._folder), b"", 0
        end = start + size
        while self._at < end:
            piece = self._held or next(self._pieces, b"")
            if not piece:
                if end - self._at <= streams.FILTER_TAIL_BYTES:
                    return
                raise Trouble("broken")
            wanted = piece[max(0, start - self._at) : end - self._at]
            used = min(len(piece), end - self._at)
            self._held = piece[used:]
            self._at += used
            yield wanted


def _unpacked(source: Source, folder: _Folder) -> Iterator[bytes]:
    """Of folders with one coder, or with LZMA behind one of the filters for programs."""
    packed = chunks(source, folder.packed_at, folder.packed_bytes)
    coders = dict(folder.coders)
    lzma_coder = next((method for method in (_LZMA, _LZMA2) if method in coders), None)
    if lzma_coder is not None and len(folder.coders) <= 2 and folder.packed_streams == 1:
        others = [method for method in coders if method != lzma_coder]
        filtered = _FILTERS.get(others[0], -1) if others else 0
        if filtered >= 0:
            size, second = folder.size_bytes, lzma_coder == _LZMA2
            return streams.lzma_raw(packed, coders[lzma_coder], size, second=second, filtered=filtered)
    if len(folder.coders) == 1:
        method = folder.coders[0][0]
        if method == _COPY:
            return packed
        if method == _DEFLATE:
            return streams.deflated(packed)
        if method == _BZIP2:
            return streams.bunzipped(packed)
    raise Trouble("unknown compression")


class _Reading:
    """Fields of a header one after another. Raises Trouble("broken") past its end."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._at = 0

    def byte(self) -> int:
        if self._at >= len(self._header):
            raise Trouble("broken")
        self._at += 1
        return self._header[self._at - 1]

    def expect(self, kind: int) -> None:
        if self.byte() != kind:
            raise Trouble("broken")

    def number(self) -> int:
        """7z's own variable length: the first octet's leading ones count those that follow."""
        first = self.byte()
        mask, value = 0x80, 0
        for count in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << 8 * count
            value |= self.byte() << 8 * count
            mask >>= 1
        return value

    def count(self) -> int:
        """How many of something follow."""
        value = self.number()
        if value > len(self._header) * 8:
            raise Trouble("broken")
        return value

    def octets(self, size: int) -> bytes:
        if size > len(self._header) - self._at:
            raise Trouble("broken")
        self._at += size
        return self._header[self._at - size : self._at]

    def skip(self, size: int) -> None:
        self.octets(size)

    def digests(self, count: int) -> None:
        """Checksums of some or all of ``count``."""
        present = count
        if not self.byte():
            bits = self.octets(-(-count // 8))
            present = sum(octet.bit_count() for octet in bits)
        self.octets(4 * min(present, count))
