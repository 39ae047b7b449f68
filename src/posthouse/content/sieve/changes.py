"""Making a script's changes: from the message as it came and ``Result.changes`` to the message as it goes on.

Edits of the header only move octets of the header. Changes of parts index the message anew, so that one can follow the other.
What a signature or encryption covers is left alone by footers. RFC 5293 §4, §5; RFC 5703 §5, §7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from posthouse.content.sieve.actions import (
    AddFooter,
    AddHeader,
    Change,
    DeleteHeader,
    Enclose,
    ReplacePart,
    TagSubject,
)
from posthouse.content.sieve.footers import with_footer
from posthouse.content.sieve.rewriting import text_entity, with_fields, with_part
from posthouse.formats import headers
from posthouse.formats.mime import index
from posthouse.formats.mime.sections import part_at
from posthouse.model.summary import Part

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_KEPT_OUTSIDE = frozenset(("from", "to", "cc", "date", "message-id", "reply-to", "in-reply-to", "references", "received"))
_BOUNDARY_TRIES = 100


def apply(content: bytes, root: Part, changes: Sequence[Change]) -> bytes:
    """``content``, whose index is ``root``, with the changes made in order."""
    for number, change in enumerate(changes):
        content = _applied(content, root if number == 0 else index(content), change)
    return content


def _applied(content: bytes, root: Part, change: Change) -> bytes:
    if isinstance(change, AddHeader):
        return _add(content, root, change)
    if isinstance(change, DeleteHeader):
        return _delete(content, root, change)
    if isinstance(change, TagSubject):
        return _tag(content, root, change)
    if isinstance(change, AddFooter):
        return with_footer(content, root, change.text)
    if isinstance(change, ReplacePart):
        return _replace(content, root, change)
    return _enclose(content, root, change)


def field_line(name: str, value: str) -> bytes:
    """A whole field: encoded where it is not ASCII, folded where it is long."""
    text = headers.encode_header(_CONTROL.sub(" ", value))
    if "\r\n" not in text and len(name) + 2 + len(text) > 78:
        text = _folded(text, 76 - len(name))
    return f"{name}: {text}\r\n".encode("utf-8", "replace")


def _folded(text: str, room: int) -> str:
    """Lines of up to 78 characters where there are spaces to break at (RFC 5322 §2.2.3)."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, 76
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join((*lines, line))


def _add(content: bytes, root: Part, change: AddHeader) -> bytes:
    line = field_line(change.name, change.value)
    if not change.last or not root.headers:
        start = root.headers[0].start if root.headers else 0
        return content[:start] + line + content[start:]
    end = root.headers[-1].end
    before = content[:end] if content[:end].endswith(b"\n") else content[:end] + b"\r\n"
    return before + line + content[end:]


def _delete(content: bytes, root: Part, change: DeleteHeader) -> bytes:
    wanted = set(change.occurrences)
    fields = [field for field in root.headers if field.name == change.name]
    for number in sorted(wanted, reverse=True):
        if number < len(fields):
            content = content[: fields[number].start] + content[fields[number].end :]
    return content


def _tag(content: bytes, root: Part, change: TagSubject) -> bytes:
    field = headers.find(root.headers, "subject")
    if field is None:
        return _add(content, root, AddHeader("Subject", change.text))
    subject = headers.decoded_value(content, field)
    return content[: field.start] + field_line("Subject", change.text + subject) + content[field.end :]


def _replace(content: bytes, root: Part, change: ReplacePart) -> bytes:
    part = part_at(root, change.section)
    if part is None:
        return content
    entity = change.text.encode("utf-8", "replace") if change.mime else text_entity(change.text)
    if change.section and part is not root:
        return with_part(content, part, entity)
    fields = {name: value for name, value in (("Subject", change.subject), ("From", change.sender)) if value}
    if part is root:
        return with_fields(with_part(content, root, entity), fields, field_line)
    return with_part(content, part, entity)


def _enclose(content: bytes, root: Part, change: Enclose) -> bytes:
    """A multipart of the text and the message as it was."""
    outer = [content[field.start : field.end] for field in root.headers if field.name in _KEPT_OUTSIDE]
    subject = change.subject or headers.decode_words(headers.value_of(content, root, "subject"))
    boundary = _free_boundary(content)
    lines = [*outer, field_line("Subject", subject)]
    for text in change.headers:
        name, colon, value = text.partition(":")
        if colon and re.fullmatch(r"[!-9;-~]+", name.strip()):
            lines.append(field_line(name.strip(), value.strip()))
    lines.append(b"MIME-Version: 1.0\r\n")
    lines.append(f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode())
    mark = b"--" + boundary.encode()
    parts = [text_entity(change.text), b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + content]
    body = b"".join(mark + b"\r\n" + part + (b"" if part.endswith(b"\r\n") else b"\r\n") for part in parts)
    return b"".join(lines) + body + mark + b"--\r\n"


def _free_boundary(content: bytes) -> str:
    """One that does not occur in ``content``."""
    for number in range(_BOUNDARY_TRIES):
        boundary = f"=_enclosed_{number}"
        if boundary.encode() not in content:
            return boundary
    return f"=_enclosed_{len(content)}_{content.count(b'=_')}"
