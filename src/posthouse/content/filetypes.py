"""What an attachment really is, by its first octets, and the names in a ZIP archive (CON-1); for filters.

``inspect`` is the ``Inspector`` of ``sieve.message``. It opens nothing but a ZIP's directory; who opens archives as deep as
CON-14 asks gives an inspector of its own.
"""

from __future__ import annotations

from posthouse.formats.text.archive import Archive
from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.trouble import Unreadable
from posthouse.model.summary import Part

MAX_MEMBERS = 1_000
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"MZ", "application/x-dosexec"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-mach-binary"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"%PDF-", "application/pdf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"#!", "text/x-script"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"),
)
_BY_FIRST_OCTET: dict[bytes, list[tuple[bytes, str]]] = {}
for _beginning, _kind in _BEGINNINGS:
    _BY_FIRST_OCTET.setdefault(_beginning[:1], []).append((_beginning, _kind))
_OFFICE: tuple[tuple[str, str], ...] = (
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("META-INF/", "application/java-archive"),
)


def detected(octets: bytes) -> str:
    """The type that the octets begin like; "" if they say nothing."""
    for beginning, kind in _BY_FIRST_OCTET.get(octets[:1], ()):
        if octets.startswith(beginning):
            return kind
    if octets[257:262] == b"ustar":
        return "application/x-tar"
    if octets[4:8] == b"ftyp":
        return "video/mp4"
    if octets[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(octets[8:12], "")
    return "text/html" if octets[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")) else ""


def inspect(_content: bytes, _part: Part, octets: bytes) -> tuple[str, tuple[str, ...]]:
    """Detected type, and the names in the archive if it is a ZIP. Never raises."""
    kind = detected(octets)
    if kind != "application/zip":
        return kind, ()
    try:
        names = Archive(octets, TextLimits()).names()[:MAX_MEMBERS]
    except Unreadable:
        return kind, ()
    return next((office for folder, office in _OFFICE if any(name.startswith(folder) for name in names)), kind), tuple(names)
