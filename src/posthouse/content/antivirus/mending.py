"""Takes infected parts out of a message and puts a notice, or the part as the engine has cleaned it, in their place (CON-5)."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.content.archives.entry import shown
from posthouse.content.attachments import leaves, number_of
from posthouse.content.sieve.rewriting import text_entity, with_part
from posthouse.formats.mime import sections
from posthouse.model.scan import WHOLE, ScanReport
from posthouse.model.summary import Part

_LINE_CHARS = 57


@dataclass(frozen=True, slots=True)
class Mended:
    """``content`` without what was found; ``parts`` are the names or numbers of those that were changed."""

    content: bytes
    parts: tuple[str, ...]


def stripped(content: bytes, root: Part, report: ScanReport, engine: str) -> Mended | None:
    """Notices in the place of all infected parts; None if an infection is in none of them."""
    names: dict[str, list[str]] = {}
    for each in report.infections:
        names.setdefault(each.section, []).append(each.name)
    return _replaced(content, root, {section: ", ".join(found) for section, found in names.items()}, engine)


def cleaned(content: bytes, root: Part, report: ScanReport) -> Mended | None:
    """The engine's octets in the place of all infected parts; None if it did not clean every one of them."""
    new = dict(report.cleaned)
    if any(each.section not in new for each in report.infections):
        return None
    if WHOLE in new:
        return Mended(new[WHOLE], ("the message",)) if len(new) == 1 else None
    return _replaced(content, root, dict(new))


def _replaced(content: bytes, root: Part, wanted: Mapping[str, bytes | str], engine: str = "") -> Mended | None:
    """Names of infections become notices; octets keep the part's type and name. From the last part to the first, so that
    places stay true."""
    parts = {number_of(part): part for part in leaves(root)}
    if not wanted or any(section not in parts for section in wanted):
        return None
    changed = []
    for part in sorted((parts[section] for section in wanted), key=lambda each: each.header_start, reverse=True):
        new = wanted[number_of(part)]
        name = shown(sections.filename(part)) or f"part {number_of(part)}"
        entity = text_entity(_notice(name, new, engine)) if isinstance(new, str) else _entity(content, part, new)
        if not content[part.body_end : part.body_end + 2] and not entity.endswith(b"\n"):
            entity += b"\r\n"
        content = with_part(content, part, entity)
        changed.append(name)
    return Mended(content, tuple(reversed(changed)))


def _notice(part: str, infections: str, engine: str) -> str:
    return (
        f"The attachment {part} was taken out of this message because it is infected.\n\n"
        f"Found: {shown(infections)}\nBy: {engine}\n\nIf you need it, ask the sender for a clean copy.\n"
    )


def _entity(content: bytes, part: Part, octets: bytes) -> bytes:
    kept = [
        content[field.start : field.end]
        for field in part.headers
        if field.name.startswith("content-") and field.name not in ("content-transfer-encoding", "content-md5")
    ]
    lines = (binascii.b2a_base64(octets[at : at + _LINE_CHARS], newline=False) for at in range(0, len(octets), _LINE_CHARS))
    return b"".join((*kept, b"Content-Transfer-Encoding: base64\r\n\r\n", b"\r\n".join(lines), b"\r\n"))
