"""Looks into one attachment: every archive in it, in an archive, in an archive, until the meter says enough (CON-14)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from posthouse.content import risks
from posthouse.content.archives import office, rar, sevenzip, streams, tar, zip
from posthouse.content.archives.entry import Entry, shown
from posthouse.content.archives.limits import BOMBS, ArchiveLimits, Enough, Meter, Problem, Trouble
from posthouse.content.archives.source import Octets, Source, Spooled
from posthouse.content.filetypes import detected

HEAD_BYTES = 1_024
_MAX_PATH_CHARS = 255
_FORMATS: dict[str, Callable[[Source, Meter], Iterator[Entry]]] = {
    "application/zip": zip.entries,
    "application/vnd.rar": rar.entries,
    "application/x-7z-compressed": sevenzip.entries,
    "application/x-tar": tar.entries,
}
_OLE = "application/x-ole-storage"
_OOXML = "application/vnd.openxmlformats-officedocument."
_OFFICE: tuple[tuple[str, str], ...] = (
    ("word/", f"{_OOXML}wordprocessingml.document"),
    ("xl/", f"{_OOXML}spreadsheetml.sheet"),
    ("ppt/", f"{_OOXML}presentationml.presentation"),
    ("META-INF/", "application/java-archive"),
)
_MAY_END_IN_ZIP = (
    "application/x-dosexec",
    "application/x-executable",
    "image/jpeg",
    "image/gif",
    "image/png",
    "application/pdf",
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive. ``name`` has the archives that it is in before it, ``inner.zip/run.exe``; ``depth`` is 1 in the
    attachment itself. ``size_bytes`` is counted where it was unpacked, else as declared, -1 if unknown. ``digest`` (SHA-256) is
    there for what is risky; ``crc`` is the archive's word for the content, also where that is encrypted.
    """

    name: str
    size_bytes: int
    detected: str
    encrypted: bool
    depth: int
    digest: bytes = b""
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found. ``kind`` is the attachment's type. ``macro_source`` is the VBA of all documents in it, normalised and
    bounded. ``problems`` say why not all was seen."""

    kind: str
    members: tuple[Member, ...] = ()
    encrypted: bool = False
    macros: bool = False
    macro_source: bytes = b""
    problems: tuple[Problem, ...] = ()
    unpacked_bytes: int = 0

    @property
    def bomb(self) -> str:
        """The bound that makes it a bomb, "" if it is none."""
        return next((problem for problem in self.problems if problem in BOMBS), "")


def kind_of(head: bytes, name: str) -> str:
    """The type that the first ``HEAD_BYTES`` octets show; of the oldest formats only with the name's help."""
    kind = detected(head)
    if not kind and tar.is_header(head[: tar.BLOCK_BYTES]):
        return "application/x-tar"
    if not kind and name.lower().endswith(".lzma"):
        return "application/x-lzma"
    return kind


def opens(kind: str) -> bool:
    """Whether there is more to see in something of this type."""
    return kind in _FORMATS or kind in streams.COMPRESSED or kind == _OLE


def may_end_in_zip(kind: str) -> bool:
    """Whether something of this type may have a ZIP behind its end: programs that unpack themselves, and disguises."""
    return kind in _MAY_END_IN_ZIP


def look_into(octets: bytes, name: str, limits: ArchiveLimits, steady: Callable[[], float]) -> Opened:
    """All that is in an attachment. Never raises; may take ``limits.seconds`` of a thread."""
    source = Octets(octets)
    kind = kind_of(octets[:HEAD_BYTES], name)
    walk = _Walk(Meter(limits, source.size, steady))
    try:
        kind = walk.archive(source, kind, name, "", 1) or kind
    except Enough as enough:
        walk.note(enough.problem)
    return walk.opened(kind)


@dataclass(slots=True)
class _Walk:
    """What was found so far."""

    meter: Meter
    members: list[Member] = field(default_factory=list)
    encrypted: bool = False
    macros: bool = False
    source: bytearray = field(default_factory=bytearray)
    problems: dict[Problem, None] = field(default_factory=dict)

    def opened(self, kind: str) -> Opened:
        return Opened(
            kind,
            tuple(self.members),
            self.encrypted,
            self.macros,
            bytes(self.source[: office.MAX_SOURCE_BYTES]),
            tuple(self.problems),
            self.meter.unpacked_bytes,
        )

    def note(self, problem: Problem) -> None:
        self.problems[problem] = None

    def archive(self, source: Source, kind: str, name: str, prefix: str, depth: int) -> str:
        """Looks into one; gives a more exact type, or "". Raises Enough."""
        if kind in _MAY_END_IN_ZIP or not kind:
            if not zip.has_directory(source):
                return ""
            entries, exact = _FORMATS["application/zip"], kind
        elif kind == _OLE:
            self.meter.deeper(depth)
            return self._document(source)
        elif kind in streams.COMPRESSED:
            self.meter.deeper(depth)
            self._one(streams.entry(source, kind, name), source.size, prefix, depth)
            return ""
        elif kind in _FORMATS:
            entries, exact = _FORMATS[kind], ""
        else:
            return ""
        self.meter.deeper(depth)
        first = len(self.members)
        try:
            for entry in entries(source, self.meter):
                self._one(entry, source.size, prefix, depth)
        except Enough:
            raise
        except Trouble as trouble:
            self.note(trouble.problem)
        if kind == "application/zip":
            names = [each.name[len(prefix) :] for each in self.members[first:]]
            exact = next((office for folder, office in _OFFICE if any(each.startswith(folder) for each in names)), "")
        return exact

    def _document(self, source: Source) -> str:
        try:
            document = office.read(source, self.meter)
        except Enough:
            raise
        except Trouble as trouble:
            self.note(trouble.problem)
            return ""
        self.encrypted = self.encrypted or document.encrypted
        self.macros = self.macros or document.macros
        if len(self.source) < office.MAX_SOURCE_BYTES:
            self.source += document.source
        return document.kind

    def _one(self, entry: Entry, archive_bytes: int, prefix: str, depth: int) -> None:
        name = (prefix + shown(entry.name))[-_MAX_PATH_CHARS:]
        self.encrypted = self.encrypted or entry.encrypted
        if entry.name.endswith(("/", "\\")) and entry.size_bytes <= 0:
            return
        if entry.unpack is None:
            self.meter.declared(max(entry.size_bytes, 0), entry.packed_bytes if entry.packed_bytes >= 0 else archive_bytes)
            if entry.name:
                self.members.append(Member(name, entry.size_bytes, "", entry.encrypted, depth, crc=entry.crc))
            return
        packed = min(entry.packed_bytes, archive_bytes) if entry.packed_bytes >= 0 else archive_bytes
        try:
            self._unpacked(entry, name, self.meter.pieces(entry.unpack(), packed), depth)
        except Enough:
            self.members.append(Member(name, entry.size_bytes, "", entry.encrypted, depth, crc=entry.crc))
            raise
        except Trouble as trouble:
            self.note(trouble.problem)
            self.members.append(Member(name, entry.size_bytes, "", entry.encrypted, depth, crc=entry.crc))

    def _unpacked(self, entry: Entry, name: str, pieces: Iterator[bytes], depth: int) -> None:
        head = b""
        while len(head) < HEAD_BYTES and (piece := next(pieces, None)) is not None:
            head += piece
        whole = chain((head,), pieces)
        kind = kind_of(head[:HEAD_BYTES], name)
        if opens(kind) or may_end_in_zip(kind) or (not kind and name.lower().endswith(".zip")):
            self._nested(entry, name, kind, whole, depth)
            return
        size, digest = 0, hashlib.sha256() if risks.of(name, kind) else None
        for piece in whole:
            size += len(piece)
            if digest is not None:
                digest.update(piece)
        found = digest.digest() if digest is not None else b""
        self.members.append(Member(name, size, kind, False, depth, found, entry.crc))

    def _nested(self, entry: Entry, name: str, kind: str, whole: Iterator[bytes], depth: int) -> None:
        digest = hashlib.sha256() if risks.of(name, kind) else None
        source = Spooled(_hashed(whole, digest.update) if digest is not None else whole)
        try:
            place = len(self.members)
            exact = self.archive(source, kind, name.rpartition("/")[2], f"{name}/", depth + 1)
        finally:
            found = digest.digest() if digest is not None else b""
            self.members.insert(place, Member(name, source.size, kind, False, depth, found, entry.crc))
            source.close()
        if exact:
            self.members[place] = Member(name, source.size, exact, False, depth, found, entry.crc)


def _hashed(pieces: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece
