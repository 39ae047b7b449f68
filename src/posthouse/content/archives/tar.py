"""tar: the old form, POSIX's and GNU's. A member's place follows from the one before it. POSIX.1-2017 pax, "ustar"."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from posthouse.content.archives.entry import Entry
from posthouse.content.archives.limits import Meter, Trouble
from posthouse.content.archives.source import Source, chunks

BLOCK_BYTES = 512
_MAX_EXTENSION_BYTES = 65_536
_FILES = b"\x000123467S"


def is_header(block: bytes) -> bool:
    """Whether these 512 octets are a header, by their checksum: the oldest form has no other mark."""
    if len(block) < BLOCK_BYTES or not block[0]:
        return False
    checksum = block[148:156].strip(b" \0")
    if not checksum.isdigit() or b"8" in checksum or b"9" in checksum:
        return False
    return int(checksum, 8) == sum(block[:148]) + 8 * 32 + sum(block[156:BLOCK_BYTES])


def entries(source: Source, meter: Meter) -> Iterator[Entry]:
    """Raises Trouble("broken") where the chain breaks; members before are given."""
    position, long_name, size_said = 0, "", -1
    while position < source.size:
        block = source.read(position, BLOCK_BYTES)
        if not block.strip(b"\0"):
            return
        if not is_header(block):
            raise Trouble("broken")
        meter.member()
        size = _number(block[124:136])
        position += BLOCK_BYTES
        kind = block[156:157]
        if kind in b"LKxg":
            data = source.read(position, min(size, _MAX_EXTENSION_BYTES))
            if kind == b"L":
                long_name = data.partition(b"\0")[0].decode("utf-8", "replace")
            elif kind == b"x":
                fields = dict(_pax(data))
                long_name = fields.get("path", long_name)
                size_said = int(fields["size"]) if fields.get("size", "").isascii() and fields.get("size", "").isdigit() else -1
        else:
            if size_said >= 0:
                size = size_said
            name = long_name or _name(block)
            if kind in _FILES and not name.endswith("/"):
                yield Entry(name, size, size, unpack=_unpacker(source, position, size))
            long_name, size_said = "", -1
        position += -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _unpacker(source: Source, start: int, size: int) -> Callable[[], Iterator[bytes]]:
    return lambda: chunks(source, start, size)


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _number(field: bytes) -> int:
    """Octal, or GNU's big-endian form; never negative."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big")
    try:
        return max(0, int(field.strip(b" \0") or b"0", 8))
    except ValueError:
        raise Trouble("broken") from None


def _pax(data: bytes) -> Iterator[tuple[str, str]]:
    """Records ``length key=value\\n``."""
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 8)
        if space < 0 or not data[position:space].isdigit():
            return
        end = position + int(data[position:space])
        if end <= space:
            return
        key, _, value = data[space + 1 : end].rstrip(b"\n").partition(b"=")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        position = end
