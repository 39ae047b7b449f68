"""Compressed streams undone in pieces: deflate, gzip, bzip2, xz and LZMA, Zstandard. Memory is bounded whatever they hold.

Pieces never come larger than ``CHUNK_BYTES``; how many may come the caller counts, and it is asked (by an empty piece) before
the next of many streams is begun. RFC 1951, RFC 1952, RFC 8878.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol, cast

import zstandard

from posthouse.content.archives.entry import Entry
from posthouse.content.archives.limits import Trouble
from posthouse.content.archives.source import CHUNK_BYTES, Source, chunks

LZMA_MEMORY_BYTES = 96 << 20
ZSTD_WINDOW_BYTES = 1 << 26
_GZIP_HEADER_BYTES = 4_096
FILTER_TAIL_BYTES = 8
"""What may lack at the end of a filtered LZMA stream: liblzma keeps back what the filter might still change."""
_BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, MemoryError)


class _Undoing(Protocol):
    """A decompressor of bz2 or lzma."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def deflated(packed: Iterator[bytes], window_bits: int = -15) -> Iterator[bytes]:
    """Raw deflate (RFC 1951); ``window_bits`` 15 for zlib's."""
    undoing = zlib.decompressobj(window_bits)
    try:
        for piece in packed:
            left = piece
            while left:
                yield from _some(undoing.decompress(left, CHUNK_BYTES))
                if undoing.eof:
                    return
                left = undoing.unconsumed_tail
        while not undoing.eof and (rest := undoing.decompress(b"", CHUNK_BYTES)):
            yield rest
        if not undoing.eof:
            raise Trouble("broken")
    except _BROKEN as error:
        raise Trouble("broken") from error


def gunzipped(packed: Iterator[bytes]) -> Iterator[bytes]:
    """All members of a gzip stream (RFC 1952); what follows the last one is left alone."""
    waiting = b""
    first = True
    try:
        while True:
            undoing = zlib.decompressobj(31)
            started = False
            while not undoing.eof:
                piece = waiting or next(packed, b"")
                waiting = b""
                if not piece:
                    if started or first:
                        raise Trouble("broken")
                    return
                started = True
                while piece and not undoing.eof:
                    yield from _some(undoing.decompress(piece, CHUNK_BYTES))
                    piece = undoing.unconsumed_tail
            first = False
            yield b""
            waiting = (undoing.unused_data or next(packed, b"")).lstrip(b"\0")
            if not waiting.startswith(b"\x1f"):
                return
    except _BROKEN as error:
        raise Trouble("broken") from error


def _undone(packed: Iterator[bytes], make: Callable[[], _Undoing], magic: bytes) -> Iterator[bytes]:
    """Streams one after another, as bzip2 and xz allow."""
    undoing, waiting = make(), b""
    try:
        while True:
            while not undoing.eof:
                if undoing.needs_input and not waiting:
                    waiting = next(packed, b"")
                    if not waiting:
                        raise Trouble("broken")
                given, waiting = waiting, b""
                yield from _some(undoing.decompress(given, CHUNK_BYTES))
            yield b""
            waiting = undoing.unused_data or next(packed, b"")
            if not magic or not waiting.startswith(magic):
                return
            undoing = make()
    except _BROKEN as error:
        raise Trouble("broken") from error


def bunzipped(packed: Iterator[bytes]) -> Iterator[bytes]:
    """bzip2."""
    return _undone(packed, bz2.BZ2Decompressor, b"BZh")


def unxzed(packed: Iterator[bytes]) -> Iterator[bytes]:
    """xz, and the older LZMA files."""
    return _undone(packed, lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY_BYTES), b"\xfd7zXZ")


def lzma_raw(
    packed: Iterator[bytes], properties: bytes, size_bytes: int, *, second: bool = False, filtered: int = 0
) -> Iterator[bytes]:
    """LZMA (``second``: LZMA2) without a container, as ZIP and 7z hold it; ends after ``size_bytes``. ``filtered`` is the
    ``lzma.FILTER_`` that the octets went through before, 0 for none."""
    undoing = _raw_decompressor(properties, second=second, filtered=filtered)
    left = size_bytes
    try:
        waiting = b""
        while left > 0 and not undoing.eof:
            if undoing.needs_input and not waiting:
                waiting = next(packed, b"")
                if not waiting:
                    if left <= FILTER_TAIL_BYTES:
                        return
                    raise Trouble("broken")
            given, waiting = waiting, b""
            found = undoing.decompress(given, min(CHUNK_BYTES, left))
            left -= len(found)
            yield from _some(found)
    except _BROKEN as error:
        raise Trouble("broken") from error


def _raw_decompressor(properties: bytes, *, second: bool, filtered: int) -> lzma.LZMADecompressor:
    if second:
        bits = properties[0] if properties else 99
        dictionary = 0xFFFFFFFF if bits >= 40 else (2 | (bits & 1)) << (bits // 2 + 11)
        chosen: dict[str, int] = {"id": lzma.FILTER_LZMA2, "dict_size": dictionary}
    elif len(properties) < 5 or properties[0] >= 225:
        raise Trouble("broken")
    else:
        literal, dictionary = properties[0], int.from_bytes(properties[1:5], "little")
        chosen = {
            "id": lzma.FILTER_LZMA1,
            "lc": literal % 9,
            "lp": literal // 9 % 5,
            "pb": literal // 45,
            "dict_size": max(dictionary, 4_096),
        }
    if dictionary > LZMA_MEMORY_BYTES:
        raise Trouble("unknown compression")
    try:
        chain = [{"id": filtered}, chosen] if filtered else [chosen]
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
    except _BROKEN as error:
        raise Trouble("broken") from error


class _Reading:
    """``read`` on an iterator of octets, for zstandard."""

    def __init__(self, packed: Iterator[bytes]) -> None:
        self._packed = packed
        self._waiting = b""

    def read(self, count: int) -> bytes:
        if not self._waiting:
            self._waiting = next(self._packed, b"")
        given, self._waiting = self._waiting[:count], self._waiting[count:]
        return given


def unzstd(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Zstandard frames (RFC 8878)."""
    undoing = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
    try:
        with undoing.stream_reader(cast(IO[bytes], _Reading(packed)), read_across_frames=True) as reader:
            while piece := reader.read(CHUNK_BYTES):
                yield piece
    except (zstandard.ZstdError, *_BROKEN) as error:
        raise Trouble("broken") from error


_KINDS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "application/gzip": gunzipped,
    "application/x-bzip2": bunzipped,
    "application/x-xz": unxzed,
    "application/x-lzma": unxzed,
    "application/zstd": unzstd,
}
COMPRESSED = frozenset(_KINDS)
_ENDINGS = {".tgz": ".tar", ".tbz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar"}


def entry(source: Source, kind: str, name: str) -> Entry:
    """The one thing in a compressed file; named as it says, or as the file without its ending."""
    inner = (_gzip_name(source) if kind == "application/gzip" else "") or _without_ending(name)
    undo = _KINDS[kind]
    return Entry(inner, -1, source.size, unpack=lambda: undo(chunks(source, 0, source.size)))


def _without_ending(name: str) -> str:
    base, dot, ending = name.rpartition(".")
    if not dot:
        return "content"
    return base + _ENDINGS.get(f".{ending.lower()}", "")


def _gzip_name(source: Source) -> str:
    head = source.read(0, _GZIP_HEADER_BYTES)
    if len(head) < 10 or not head[3] & 8:
        return ""
    at = 10
    if head[3] & 4:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    return head[at:].partition(b"\0")[0].decode("latin-1")


def _some(octets: bytes) -> Iterator[bytes]:
    if octets:
        yield octets
