"""Old Office documents, and the macros of old and new ones: what kind it is, whether it is encrypted, what its VBA says.

The source of macros is for fingerprints: decompressed, in lower case, without the attribute lines that begin every module.
Sources: [MS-OVBA] §2.4.1, [MS-DOC] §2.5.2, [MS-XLS] §2.4.117, [MS-PPT] §2.3.2, [MS-OFFCRYPTO] §2.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from posthouse.content.archives.limits import Meter, Trouble
from posthouse.content.archives.ole import Container, Stream
from posthouse.content.archives.source import Source

MAX_SOURCE_BYTES = 256 << 10
_MAX_STREAM_BYTES = 1 << 20
_MAX_MODULES = 200
_CHUNK_BYTES = 4_096
_ENCRYPTED_SLIDES = 0xF3D1C4DF
_KINDS: tuple[tuple[str, str], ...] = (
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
)
_NOT_MODULES = ("_vba_project", "dir")


@dataclass(frozen=True, slots=True)
class Document:
    """``kind`` "" when it is none that we know. ``source`` is at most ``MAX_SOURCE_BYTES`` of the macros' text."""

    kind: str
    encrypted: bool
    macros: bool
    source: bytes = b""


def read(source: Source, meter: Meter) -> Document:
    """Of a compound file: a document, an encrypted new one, or the macros of a new one (``vbaProject.bin``). Raises Trouble."""
    container = Container(source, meter)
    by_name = {stream.path: stream for stream in container.streams}
    kind = next((kind for name, kind in _KINDS if name in by_name), "")
    modules = [stream for stream in container.streams if _is_module(stream)]
    macros = bool(modules) or any(stream.path.lower().endswith("vba/_vba_project") for stream in container.streams)
    return Document(kind, _encrypted(container, by_name), macros, _macro_source(container, modules, meter))


def _is_module(stream: Stream) -> bool:
    folder, _, name = stream.path.lower().rpartition("/")
    return folder.endswith("vba") and name not in _NOT_MODULES and not name.startswith("__srp_")


def _encrypted(container: Container, streams: dict[str, Stream]) -> bool:
    if "EncryptedPackage" in streams:
        return True
    if "WordDocument" in streams:
        head = container.octets(streams["WordDocument"], 12)
        return len(head) == 12 and bool(struct.unpack_from("<H", head, 10)[0] & 0x0100)
    book = streams.get("Workbook") or streams.get("Book")
    if book is not None:
        return _has_file_pass(container.octets(book, 4_096))
    if "PowerPoint Document" in streams and "Current User" in streams:
        head = container.octets(streams["Current User"], 16)
        return len(head) == 16 and struct.unpack_from("<L", head, 12)[0] == _ENCRYPTED_SLIDES
    return False


def _has_file_pass(records: bytes) -> bool:
    at = 0
    while at + 4 <= len(records):
        kind, size = struct.unpack_from("<HH", records, at)
        if kind == 0x2F:
            return True
        at += 4 + size
    return False


def _macro_source(container: Container, modules: list[Stream], meter: Meter) -> bytes:
    out = bytearray()
    for module in sorted(modules[:_MAX_MODULES], key=lambda each: each.path):
        octets = container.octets(module, _MAX_STREAM_BYTES)
        start = octets.find(b"\x00Attribut")
        if start < 3:
            continue
        text = decompressed(octets[start - 3 :], MAX_SOURCE_BYTES - len(out), meter).lower()
        out += b"\n".join(line for line in text.splitlines() if line and not line.startswith(b"attribute vb_"))
        if len(out) >= MAX_SOURCE_BYTES:
            break
    return bytes(out)


def decompressed(octets: bytes, most: int, meter: Meter) -> bytes:
    """A compressed container ([MS-OVBA] §2.4.1), as far as it is whole."""
    out = bytearray()
    at = 1
    while at + 2 <= len(octets) and len(out) < most:
        header = struct.unpack_from("<H", octets, at)[0]
        if header >> 12 & 7 != 3:
            break
        end = at + 3 + (header & 0x0FFF)
        if header & 0x8000:
            out += _chunk(octets[at + 2 : end])
        else:
            out += octets[at + 2 : at + 2 + _CHUNK_BYTES]
        meter.time()
        at = end
    return bytes(out[:most])


def _chunk(octets: bytes) -> bytes:
    """Tokens in groups of eight: a bit of 0 is an octet, one of 1 a copy of what came before."""
    out = bytearray()
    at = 0
    while at < len(octets) and len(out) < _CHUNK_BYTES:
        flags = octets[at]
        at += 1
        for bit in range(8):
            if at >= len(octets):
                break
            if not flags >> bit & 1:
                out.append(octets[at])
                at += 1
                continue
            if at + 2 > len(octets) or not out:
                raise Trouble("broken")
            token = struct.unpack_from("<H", octets, at)[0]
            at += 2
            bits = max((len(out) - 1).bit_length(), 4)
            length = (token & 0xFFFF >> bits) + 3
            offset = (token >> 16 - bits) + 1
            if offset > len(out):
                raise Trouble("broken")
            for _ in range(length):
                out.append(out[-offset])
    return bytes(out[:_CHUNK_BYTES])
