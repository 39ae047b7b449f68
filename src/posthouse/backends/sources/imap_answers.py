"""What Python's imaplib gives for LIST, NAMESPACE and FETCH, taken apart (RFC 9051 §7; RFC 2342).

imaplib keeps an answer with a literal as a pair (text before the literal, literal), followed by the text after it. Servers are
strangers here: what does not fit is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from posthouse.model import utf7

Answers = Sequence[bytes | tuple[bytes, bytes] | None]

_LIST = re.compile(rb'\(([^)]*)\) (?:"((?:\\.|[^"\\])?)"|NIL) (.+)', re.S | re.I)
_NAMESPACE = re.compile(rb'"((?:[^"\\]|\\.)*)" (?:"((?:\\.|[^"\\])?)"|NIL)', re.I)
_UID = re.compile(rb"[ (]UID (\d{1,10})", re.I)
_UID_NEXT = re.compile(rb"[ (]UIDNEXT (\d{1,10})[ )]", re.I)
_SIZE = re.compile(rb"[ (]RFC822\.SIZE (\d{1,19})", re.I)
_FLAGS = re.compile(rb"[ (]FLAGS \(([^)]*)\)", re.I)
_DATE = re.compile(rb'[ (]INTERNALDATE "([^"]{1,60})"', re.I)


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """``name`` as the server spells it; ``attributes`` in lower case."""

    name: bytes
    separator: str
    attributes: frozenset[str]

    def levels(self, prefix: bytes) -> tuple[str, ...]:
        """Its levels as text, without the prefix of the user's own folders."""
        name = self.name.removeprefix(prefix) or self.name
        parts = name.split(self.separator.encode()) if self.separator else [name]
        return tuple(_text(part) for part in parts if part) or (_text(name),)


@dataclass(frozen=True, slots=True)
class Fetched:
    """One FETCH answer. ``date`` is the date-time's text; ``content`` None if there was none."""

    uid: int
    flags: tuple[str, ...]
    size_bytes: int
    date: str
    content: bytes | None


def folders(answers: Answers) -> Iterator[ListedFolder]:
    """LIST and LSUB answers."""
    for answer in answers:
        head, literal = answer if isinstance(answer, tuple) else (answer, None)
        match = _LIST.match(head.lstrip()) if head else None
        if match is None:
            continue
        name = literal if literal is not None else unquoted(match[3].strip())
        if name and not any(octet < 32 or octet == 127 for octet in name):
            attributes = frozenset(word.lower() for word in match[1].decode("latin-1").split())
            yield ListedFolder(name, (match[2] or b"").decode("latin-1")[-1:], attributes)


def namespaces(answers: Answers) -> tuple[bytes, tuple[bytes, ...]]:
    """The prefix of the user's own folders ("" if they have none), and the prefixes of others'."""
    for answer in answers:
        if isinstance(answer, bytes):
            personal, others = _groups(answer)
            own = [unquoted(b'"' + match[1] + b'"') for match in _NAMESPACE.finditer(personal)]
            theirs = [unquoted(b'"' + match[1] + b'"') for match in _NAMESPACE.finditer(others)]
            return (own[0] if own else b""), tuple(prefix for prefix in theirs if prefix)
    return b"", ()


def _groups(answer: bytes) -> tuple[bytes, bytes]:
    """The first of the answer's three parts, and the rest: an end of a list outside of quotes ends a part."""
    if answer[:3].upper() == b"NIL":
        return b"", answer[3:]
    depth, quoted, escaped = 0, False, False
    for at, octet in enumerate(answer):
        char = chr(octet)
        if quoted:
            escaped, quoted = char == "\\" and not escaped, escaped or char != '"'
        elif char == '"':
            quoted = True
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return answer[: at + 1], answer[at + 1 :]
    return answer, b""


def fetched(answers: Answers) -> Iterator[Fetched]:
    """FETCH answers that name a UID; several of one message come apart."""
    at = 0
    while at < len(answers):
        answer = answers[at]
        at += 1
        text, content = answer if isinstance(answer, tuple) else (answer or b"", None)
        if isinstance(answer, tuple):
            while at < len(answers) and isinstance(after := answers[at], bytes) and not _begins(after):
                text += b" " + after
                at += 1
        uid = _UID.search(text)
        if uid is None:
            continue
        size, flags, date = _SIZE.search(text), _FLAGS.search(text), _DATE.search(text)
        yield Fetched(
            uid=int(uid[1]),
            flags=tuple(flags[1].decode("latin-1").split()) if flags else (),
            size_bytes=int(size[1]) if size else 0,
            date=date[1].decode("latin-1") if date else "",
            content=content,
        )


def uid_next(answers: Answers) -> int:
    """What a STATUS answer tells as UIDNEXT; 0 if nothing."""
    text = b" ".join(b"".join(each) if isinstance(each, tuple) else each or b"" for each in answers)
    match = _UID_NEXT.search(text)
    return int(match[1]) if match else 0


def _begins(text: bytes) -> bool:
    """Whether a text begins an answer, ``12 (``, rather than ending one."""
    number, found, _ = text.partition(b" (")
    return bool(found) and number.isdigit()


def unquoted(text: bytes) -> bytes:
    """A quoted string's octets; an atom as it is."""
    if len(text) > 1 and text.startswith(b'"') and text.endswith(b'"'):
        return re.sub(rb"\\(.)", rb"\1", text[1:-1])
    return text


def quoted(name: bytes) -> str:
    """A name as a quoted string for imaplib; in truth octets, which it sends as they are, since text it sends in ASCII only."""
    return cast(str, b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')


def _text(name: bytes) -> str:
    try:
        return utf7.decode(name)
    except (ValueError, UnicodeError):
        return name.decode("latin-1")
