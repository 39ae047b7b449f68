"""Archives for tests: honest ones by the standard library, others octet by octet, as no honest program writes them."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence

PROGRAM = b"MZ\x90\x00" + bytes(range(256)) * 8
MIB = 1 << 20


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return out.getvalue()


def tarred(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, octets in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            archive.addfile(info, io.BytesIO(octets))
    return out.getvalue()


def nested(depth: int, inmost: bytes = b"x") -> bytes:
    archive = zipped({"a.txt": inmost})
    for level in range(1, depth):
        archive = zipped({f"{level}.zip": archive})
    return archive


def overlapping(names: int, size: int = 4 * MIB) -> bytes:
    """Many names for one kernel of data, as the "better zip bomb" has them."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = kernel.compress(b"\0" * size) + kernel.flush()
    crc = zlib.crc32(b"\0" * size)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), size, 1, 0) + b"0" + packed
    central = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(packed), size, 4, 0, 0, 0, 0, 0, 0)
        + f"{number:04}".encode()
        for number in range(names)
    )
    return local + central + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, names, names, len(central), len(local), 0)


def without_directory(archive: bytes) -> bytes:
    return archive[: archive.rfind(b"PK\x01\x02")]


def with_hidden_member(shown: Mapping[str, bytes], hidden: Mapping[str, bytes]) -> bytes:
    """The directory names ``shown`` only; a reader from the front meets ``hidden`` first."""
    return without_directory(zipped(hidden)) + zipped(shown)


def encrypted_zip(name: str, octets: bytes) -> bytes:
    """A zip whose flags say that its member is encrypted (its octets are stored as they are: who cares)."""
    archive = bytearray(zipped({name: octets}, zipfile.ZIP_STORED))
    archive[6] |= 1
    at = archive.rfind(b"PK\x01\x02")
    archive[at + 8] |= 1
    return bytes(archive)


def gzip_quine() -> bytes:
    """A gzip file that unpacks to a gzip file, and so on for longer than anybody looks: 30 levels, each in the next."""
    import gzip

    octets = b"again"
    for _ in range(30):
        octets = gzip.compress(octets, mtime=0)
    return octets


def rar4(files: Mapping[str, bytes], *, encrypted: bool = False, hidden_names: bool = False) -> bytes:
    out = [b"Rar!\x1a\x07\x00", _rar4_block(0x73, 0x80 if hidden_names else 0, bytes(6))]
    for name, octets in files.items():
        coded = name.encode()
        body = struct.pack("<LLBLLBBHL", len(octets), len(octets), 2, zlib.crc32(octets), 0, 29, 0x30, len(coded), 0x20) + coded
        out += [_rar4_block(0x74, 0x8000 | (4 if encrypted else 0), body), octets]
    return b"".join([*out, _rar4_block(0x7B, 0, b"")])


def _rar4_block(kind: int, flags: int, body: bytes) -> bytes:
    rest = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(rest) & 0xFFFF) + rest


def rar5(files: Mapping[str, bytes], *, encrypted: bool = False, hidden_names: bool = False) -> bytes:
    out = [b"Rar!\x1a\x07\x01\x00"]
    if hidden_names:
        return b"".join([*out, _rar5_block(b"\x04\x00\x00\x00\x0f" + bytes(16)), bytes(64)])
    out.append(_rar5_block(b"\x01\x00\x00"))
    for name, octets in files.items():
        extra = _record(b"\x01\x00\x00\x0f" + bytes(32)) if encrypted else b""
        flags = 2 | (1 if extra else 0)
        head = vint(2) + vint(flags) + (vint(len(extra)) if extra else b"") + vint(len(octets))
        coded = name.encode()
        body = vint(4) + vint(len(octets)) + vint(0x20) + struct.pack("<L", zlib.crc32(octets)) + vint(0) + vint(1)
        out += [_rar5_block(head + body + vint(len(coded)) + coded + extra), octets]
    return b"".join([*out, _rar5_block(b"\x05\x00\x00")])


def _record(body: bytes) -> bytes:
    return vint(len(body)) + body


def _rar5_block(header: bytes) -> bytes:
    rest = vint(len(header)) + header
    return struct.pack("<L", zlib.crc32(rest)) + rest


def vint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def seven(name: str, octets: bytes) -> bytes:
    """A 7z with one stored member."""
    coded = b"\0" + name.encode("utf-16-le") + b"\0\0"
    size = bytes([len(octets)])
    header = b"".join((
        b"\x01\x04", b"\x06\0\x01\x09", size, b"\0",  # where the packed streams are
        b"\x07\x0b\x01\0\x01\x01\0\x0c", size, b"\0",  # one folder, one coder that copies
        b"\x08\0\0", b"\x05\x01\x11", bytes([len(coded)]), coded, b"\0\0",
    ))  # fmt: skip
    start = struct.pack("<QQL", len(octets), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<L", zlib.crc32(start)) + start + octets + header


SECTOR = 512
_FREE, _LAST, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(streams: Mapping[str, bytes]) -> bytes:
    """An OLE2 container; names like ``Macros/VBA/Module1`` make storages. Every stream is made large enough for whole
    sectors (4,096 octets), padded with zeros."""
    names: list[tuple[str, int, int]] = [("Root Entry", 5, -1)]
    places: dict[str, int] = {"": 0}
    for path in streams:
        parent = ""
        for part in path.split("/")[:-1]:
            full = f"{parent}/{part}" if parent else part
            if full not in places:
                places[full] = len(names)
                names.append((part, 1, places[parent]))
            parent = full
        places[path] = len(names)
        names.append((path.split("/")[-1], 2, places[parent]))
    data = [octets.ljust(4_096, b"\0") for octets in streams.values()]
    directory_sectors = -(-len(names) * 128 // SECTOR)
    table: list[int] = [_TABLE] + [0] * directory_sectors
    table[1 : 1 + directory_sectors] = [*range(2, 1 + directory_sectors), _LAST]
    starts: dict[str, int] = {}
    for path, octets in zip(streams, data, strict=True):
        starts[path] = len(table)
        count = -(-len(octets) // SECTOR)
        table += [*range(len(table) + 1, len(table) + count), _LAST]
    assert len(table) <= SECTOR // 4, "one sector of table is enough for tests"
    table += [_FREE] * (SECTOR // 4 - len(table))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<LLLLLLLLL", 0, 1, 1, 0, 4_096, _LAST, 0, _LAST, 0) + struct.pack("<109L", 0, *[_FREE] * 108)
    entries = _directory(names, places, starts, {path: len(octets) for path, octets in zip(streams, data, strict=True)})
    body = b"".join(octets.ljust(-(-len(octets) // SECTOR) * SECTOR, b"\0") for octets in data)
    return header + struct.pack("<128L", *table) + entries.ljust(directory_sectors * SECTOR, b"\0") + body


def _directory(
    names: Sequence[tuple[str, int, int]], places: Mapping[str, int], starts: Mapping[str, int], sizes: Mapping[str, int]
) -> bytes:
    """Children of a storage hang on one another to the right."""
    paths = {place: path for path, place in places.items()}
    out = []
    for number, (name, kind, _) in enumerate(names):
        children = [place for place, entry in enumerate(names) if entry[2] == number]
        siblings = [place for place, entry in enumerate(names) if entry[2] == names[number][2] and place > number]
        coded = name.encode("utf-16-le") + b"\0\0"
        path = paths[number]
        out.append(
            coded.ljust(64, b"\0")
            + struct.pack("<HBB", len(coded), kind, 1)
            + struct.pack("<LLL", _FREE, siblings[0] if siblings and number else _FREE, children[0] if children else _FREE)
            + bytes(36)
            + struct.pack("<LLL", starts.get(path, _LAST if kind == 5 else 0), sizes.get(path, 0), 0)
        )
    return b"".join(out)


def vba_module(source: str) -> bytes:
    """A module's stream: some junk of a compiler, then the source compressed with literals only."""
    text = f'Attribute VB_Name = "Module1"\r\n{source}'.encode()
    out = bytearray(b"\x01")
    for start in range(0, len(text), 4_000):
        piece = text[start : start + 3_600]
        tokens = b"".join(b"\0" + piece[at : at + 8] for at in range(0, len(piece), 8))
        out += struct.pack("<H", 0xB000 | len(tokens) - 1) + tokens
    return b"junk of a compiler" + bytes(out)


MACRO = 'Sub AutoOpen()\r\n  Shell "calc.exe"\r\nEnd Sub\r\n'


def macro_project(source: str = MACRO) -> bytes:
    """``vbaProject.bin``."""
    return compound({"VBA/dir": b"x", "VBA/_VBA_PROJECT": b"x", "VBA/Module1": vba_module(source), "PROJECT": b"x"})


def old_word(source: str = "", *, encrypted: bool = False) -> bytes:
    head = struct.pack("<HHHHHH", 0xA5EC, 193, 0, 0x409, 0, 0x0100 if encrypted else 0)
    streams = {"WordDocument": head}
    if source:
        streams |= {"Macros/VBA/dir": b"x", "Macros/VBA/Module1": vba_module(source)}
    return compound(streams)


def word(source: str = "", text: str = "Hello") -> bytes:
    """docx, or docm with macros."""
    files = {"[Content_Types].xml": b"<Types/>", "word/document.xml": f"<w:document>{text}</w:document>".encode()}
    if source:
        files["word/vbaProject.bin"] = macro_project(source)
    return zipped(files)
