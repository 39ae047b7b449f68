"""What a message carries beside its text, looked into once for all who ask: filters, scanners, the outbreak check (CON-14).

Cheap for honest mail: of each part only the first octets are decoded, unless they begin an archive, a document with an inside,
or something that can do harm. What is looked into belongs into a thread (``needs_thread``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from posthouse.content import filetypes, fingerprints, risks
from posthouse.content.archives.limits import ArchiveLimits
from posthouse.content.archives.opening import HEAD_BYTES, Opened, kind_of, look_into, may_end_in_zip, opens
from posthouse.content.sieve.message import Inspector, walk
from posthouse.formats.mime import sections, transfer
from posthouse.model.settings import ArchivesSettings
from posthouse.model.summary import Part

Wanted = list[tuple[Part, str, str]]
"""Parts with their names and types, as ``candidates`` gives them."""
MAX_MEMBERS_SHOWN = 10_000
_SMALL_BYTES = 65_536
_OF_TEXT = frozenset({"charset", "format", "delsp"})
_ENCODED_HEAD_BYTES = 2 * HEAD_BYTES
_ENCODED_TAIL_BYTES = 90_000
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_NAMED_ARCHIVES = (".zip", ".jar", ".docx", ".docm", ".xlsx", ".xlsm", ".pptx", ".pptm", ".tar", ".lzma")


@dataclass(frozen=True, slots=True)
class Carried:
    """A part that was looked into. ``section`` is IMAP's part number. ``detected`` is its exact type, "" if nothing tells.
    ``opened`` is there if it has an inside, ``fingerprints`` if it can do harm."""

    section: str
    name: str
    detected: str
    size_bytes: int
    risk: risks.Risk
    opened: Opened | None = None
    fingerprints: tuple[str, ...] = ()

    @property
    def can_do_harm(self) -> str:
        """What of it can: ``program``, ``script`` or ``macros``, also deep inside; "" for nothing."""
        if self.opened is not None:
            for member in self.opened.members:
                if risk := risks.of(member.name, member.detected):
                    return risk
            if self.opened.macros:
                return "macros"
        return self.risk


def limits_of(chosen: ArchivesSettings) -> ArchiveLimits:
    """The bounds as they are set."""
    return ArchiveLimits(
        depth=chosen.max_depth,
        members=chosen.max_members,
        unpacked_bytes=chosen.max_unpacked_bytes,
        ratio=chosen.max_ratio,
        seconds=chosen.max_time_s,
    )


def leaves(root: Part) -> Iterator[Part]:
    """All parts that hold something themselves, those of embedded messages too."""
    return (part for part in walk(root) if not part.children and part.type != "multipart")


def number_of(part: Part) -> str:
    """Its section, "1" for a message that is one part."""
    return part.section or "1"


def octets_of(content: bytes, part: Part) -> bytes:
    """A leaf's octets without transfer encoding; as they are where the encoding is unknown."""
    try:
        return sections.decoded(content, part)
    except sections.UnknownEncoding:
        return content[part.body_start : part.body_end]


def candidates(content: bytes, root: Part) -> Wanted:
    """The leaves that are worth looking into, with their names and the types that their beginnings show."""
    found = []
    for part in leaves(root):
        if part.type == "text" and part.subtype == "plain" and not part.disposition_params and _is_nameless(part):
            continue
        name = sections.filename(part)
        head = _head(content, part)
        kind = kind_of(head, name)
        named = risks.of(name, kind) or name.lower().endswith(_NAMED_ARCHIVES)
        if opens(kind) or named or (may_end_in_zip(kind) and _has_zip_end(content, part)):
            found.append((part, name, kind))
    return found


def _is_nameless(part: Part) -> bool:
    """Whether nothing in its type can name it: text that is shown, never saved as a file."""
    return _OF_TEXT.issuperset(name for name, _ in part.params)


def needs_thread(wanted: Wanted) -> bool:
    """Whether looking into them could hold up a loop."""
    return any(
        opens(kind) or may_end_in_zip(kind) or part.body_end - part.body_start > _SMALL_BYTES for part, _, kind in wanted
    )


def look(content: bytes, wanted: Wanted, limits: ArchiveLimits, steady: Callable[[], float]) -> tuple[Carried, ...]:
    """Looks into what ``candidates`` gave. Never raises; may take ``limits.seconds`` for each."""
    out = []
    for part, name, kind in wanted:
        octets = octets_of(content, part)
        opened = look_into(octets, name, limits, steady)
        inside = opened if opened.members or opened.problems or opened.macros or opened.encrypted else None
        exact = opened.kind or kind
        carried = Carried(number_of(part), name, exact, len(octets), risks.of(name, exact), inside)
        if carried.can_do_harm:
            carried = replace(carried, fingerprints=fingerprints.of(hashlib.sha256(octets).digest(), inside))
        out.append(carried)
    return tuple(out)


def inspector(carried: tuple[Carried, ...]) -> Inspector:
    """For ``sieve.message.MessageView``: types and archive members as they were found; of other parts by their beginning."""
    known: Mapping[str, Carried] = {each.section: each for each in carried}

    def inspect(content: bytes, part: Part, octets: bytes) -> tuple[str, tuple[str, ...]]:
        found = known.get(number_of(part))
        if found is None:
            return filetypes.inspect(content, part, octets)
        members = found.opened.members[:MAX_MEMBERS_SHOWN] if found.opened is not None else ()
        return found.detected, tuple(member.name for member in members)

    return inspect


def _has_zip_end(content: bytes, part: Part) -> bool:
    """Whether the mark of a ZIP's end record is among the last octets; in base64, one of the three ways in which it can be
    written. Saves the decoding of every picture."""
    tail = content[max(part.body_start, part.body_end - _ENCODED_TAIL_BYTES) : part.body_end]
    if part.encoding == "base64":
        letters = tail.translate(None, _NOT_BASE64)
        return any(mark in letters for mark in (b"UEsFB", b"BLBQ", b"QSwUG"))
    if part.encoding == "quoted-printable":
        tail = transfer.decode(tail, part.encoding)
    return b"PK\x05\x06" in tail


def _head(content: bytes, part: Part) -> bytes:
    raw = content[part.body_start : min(part.body_end, part.body_start + _ENCODED_HEAD_BYTES)]
    if part.encoding not in transfer.KNOWN:
        return raw[:HEAD_BYTES]
    return transfer.decode(raw, part.encoding)[:HEAD_BYTES]
