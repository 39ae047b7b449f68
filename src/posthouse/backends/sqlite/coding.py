"""How contents are compressed: zstd (RFC 8878), small ones with a dictionary trained on mail of this store (STO-7).

A stored content is its octets and a number, its coding: 0 as it is, 1 compressed, from 2 on compressed with the dictionary of
that number. What would not shrink by a tenth stays as it is. Frames carry their length and a checksum. In large contents the
first ``HEAD_BYTES`` octets end a block, so that a message's beginning can be read without the rest. No database here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

import zstandard

from posthouse.base.errors import Temporary
from posthouse.interfaces.mailstore import HEAD_BYTES

RAW, PLAIN, FIRST_DICTIONARY = 0, 1, 2
SMALL_BYTES = HEAD_BYTES  # up to here the dictionary helps
LEVEL = 2
LARGE_LEVEL = 3
CHUNK_BYTES = 1 << 20
HEAD_SLACK_BYTES = 256  # frame and block headers before the end of the first ``HEAD_BYTES``
_MIN_BYTES = 64
_UNKNOWN = (1 << 64) - 2  # from here on the library means that a frame does not say its length


class Damaged(Temporary):
    """A stored content is not what was stored; only a repair or a backup helps."""

    def __init__(self, cause: str) -> None:
        super().__init__("The message cannot be read now", cause=cause)


class Encoder:
    """Compresses with one dictionary, or none. For one thread."""

    def __init__(self, dictionary_id: int = PLAIN, dictionary: bytes = b"") -> None:
        self.dictionary_id = dictionary_id
        self._plain = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_dict_id=False)
        self._small = self._plain
        if dictionary:
            trained = zstandard.ZstdCompressionDict(dictionary)
            trained.precompute_compress(level=LEVEL)
            self._small = zstandard.ZstdCompressor(dict_data=trained, write_checksum=True, write_dict_id=False, level=LEVEL)

    def encode(self, content: bytes) -> tuple[int, bytes]:
        """Coding and octets."""
        size_bytes = len(content)
        if size_bytes < _MIN_BYTES:
            return RAW, content
        if size_bytes <= SMALL_BYTES:
            coding, octets = self.dictionary_id, self._small.compress(content)
        else:
            coding, octets = PLAIN, b"".join(_pieces(self._plain, content))
        return (coding, octets) if _worth(len(octets), size_bytes) else (RAW, content)


class Decoder:
    """The way back. ``find`` gives a dictionary's octets, b"" if there is none of that number. For one thread."""

    def __init__(self, find: Callable[[int], bytes]) -> None:
        self._find = find
        self._with: dict[int, zstandard.ZstdDecompressor] = {PLAIN: zstandard.ZstdDecompressor()}

    def decode(self, coding: int, octets: bytes, limit_bytes: int) -> bytes:
        """The content, which is at most ``limit_bytes`` long. Raises Damaged."""
        if coding == RAW:
            return octets
        try:
            # The frame says how much memory is taken before it is read, so a damaged one must not say much.
            if content_bytes(octets) > limit_bytes:
                raise Damaged("a frame's length is wrong")
            return self._decompressor(coding).decompress(octets, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Damaged(str(error)) from error

    def head(self, coding: int, octets: bytes) -> bytes:
        """The first ``HEAD_BYTES`` of a large content from the first ``HEAD_BYTES + HEAD_SLACK_BYTES`` of its octets."""
        if coding == RAW:
            return octets[:HEAD_BYTES]
        try:
            return self._decompressor(coding).decompressobj().decompress(octets)[:HEAD_BYTES]
        except zstandard.ZstdError as error:
            raise Damaged(str(error)) from error

    def _decompressor(self, coding: int) -> zstandard.ZstdDecompressor:
        found = self._with.get(coding)
        if found is None:
            dictionary = self._find(coding)
            if not dictionary:
                raise Damaged(f"there is no dictionary {coding}")
            trained = zstandard.ZstdCompressionDict(dictionary)
            found = self._with[coding] = zstandard.ZstdDecompressor(dict_data=trained)
        return found


def content_bytes(frame: bytes) -> int:
    """How long the content of a frame is; its header is enough. Raises Damaged unless it is of a kind that is written here,
    ZstdError if it is no header: flags that say "no checksum" would let anything through."""
    header = zstandard.get_frame_parameters(frame)
    if header.content_size >= _UNKNOWN or not header.has_checksum or header.dict_id:
        raise Damaged("a frame's flags are wrong")
    return header.content_size


def compressed(content: bytes) -> bytes | None:
    """A very large content for a file; None if it would not shrink."""
    compressor = zstandard.ZstdCompressor(level=LARGE_LEVEL, write_checksum=True)
    octets = b"".join(_pieces(compressor, content))
    return octets if _worth(len(octets), len(content)) else None


def train(samples: list[bytes | bytearray | memoryview[int]], size_bytes: int) -> bytes | None:
    """A dictionary for contents like these; None if they are too few or have nothing in common. Takes a second or so."""
    try:
        return zstandard.train_dictionary(size_bytes, samples, level=LEVEL).as_bytes()
    except zstandard.ZstdError:
        return None


def _pieces(compressor: zstandard.ZstdCompressor, content: bytes) -> Iterable[bytes]:
    view = memoryview(content)
    stream = compressor.compressobj(size=len(content))
    head = (stream.compress(view[:HEAD_BYTES]), stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    rest = (stream.compress(view[at : at + CHUNK_BYTES]) for at in range(HEAD_BYTES, len(view), CHUNK_BYTES))
    return chain(head, rest, (stream.flush() for _ in range(1)))


def _worth(octets: int, size_bytes: int) -> bool:
    return octets * 10 <= size_bytes * 9
