"""What the header of a message says, as tokens: which fields in which order, who writes to whom, the way it came, the subject.

Tokens name the field that they come from: a word in the subject is another fact than in the body. Fields that hosts add after
a message was scored are left out: a message gives the same tokens when it is scored and when it is learnt later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from posthouse.formats import headers
from posthouse.model.summary import HeaderField, Summary

MAX_FIELDS = 150
MAX_VALUE_BYTES = 2_000
MAX_VALUE_CHARS = 500
MAX_HOPS = 10
MAX_WORDS = 40
MAX_WORD = 40

_IGNORED = frozenset((
    "status", "x-status", "x-uid", "x-uidl", "x-keywords", "x-mozilla-status", "x-mozilla-status2", "lines", "content-length",
    "authentication-results", "received-spf", "arc-seal", "arc-message-signature", "arc-authentication-results",
    "dkim-signature", "domainkey-signature", "x-virus-scanned", "x-virus-status",
))  # fmt: skip
_IGNORED_PREFIXES = ("x-spam", "x-junkmail", "x-bogosity", "x-posthouse", "x-rspamd")
_ADDRESSES = frozenset(("from", "to", "cc", "reply-to", "sender", "return-path"))
_MIME = frozenset(("content-type", "content-disposition"))

_WORD = re.compile(r"[A-Za-z0-9!$\x80-\U0010ffff][A-Za-z0-9!$'\-.\x80-\U0010ffff]*+")
_IPV4 = re.compile(r"\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}\b")
_HOST = re.compile(r"[A-Za-z0-9_\-]++(?:\.[A-Za-z0-9_\-]++)++")
_NUMBERED = re.compile(r"[A-Za-z_\-]*+\d[A-Za-z0-9_\-.]*+")
_DIGIT = re.compile(r"\d")
_NAME_OF_DATE = re.compile(r"[A-Z][a-z]{2}")
_ZONE = re.compile(r"[+-]\d{4}|\b[A-Z]{3,4}\b")
_BOUNDARY = re.compile(r'boundary\s*+=\s*+"?+([^";\s]++)', re.I)
_SMALL, _CAPITAL, _FIGURES = re.compile(r"[a-z]+"), re.compile(r"[A-Z]+"), re.compile(r"\d+")
_NOT_PUNCTUATION = re.compile(r'[^<>"@,()\s]++')
_MIME_WORD = re.compile(r"[A-Za-z0-9_.\-]++")


def shape(text: str) -> str:
    """``text`` with runs of small letters, capitals and digits as one character each: ``ab12.C`` gives ``a9.A``."""
    return _FIGURES.sub("9", _CAPITAL.sub("A", _SMALL.sub("a", text[:40])))


def organisation(host: str) -> str:
    """The last two labels, in lower case: near enough to who owns it."""
    return ".".join(host.lower().rsplit(".", 2)[-2:])


def header_tokens(content: bytes, summary: Summary) -> set[str]:
    """The tokens of the top header."""
    found: set[str] = set()
    previous, hops = "^", 0
    for field in summary.root.headers[:MAX_FIELDS]:
        name = field.name
        if name in _IGNORED or name.startswith(_IGNORED_PREFIXES):
            continue
        raw = headers.unfold(content[field.value_start : min(field.end, field.value_start + MAX_VALUE_BYTES)])
        if name == "received":
            hops += 1
            if hops <= MAX_HOPS:
                found.update(_hop(raw))
            continue
        if name != previous:
            found.update((f"n:{name}", f"o:{previous}>{name}"))
            previous = name
        found.update(_spelling(content, field))
        found.update(_field(name, headers.decode_words(raw, MAX_VALUE_CHARS)))
    return found


def _field(name: str, value: str) -> Iterator[str]:
    if name == "subject":
        return _subject(value)
    if name in _ADDRESSES:
        return _addresses(name, value)
    if name == "message-id":
        return _message_id(value)
    if name == "date":
        return _date(value)
    return _mime(name, value) if name in _MIME else _words(name, value)


def _words(name: str, value: str) -> Iterator[str]:
    for word in _WORD.findall(value)[:MAX_WORDS]:
        yield f"{name}*{word[:MAX_WORD].lower()}"


def _mime(name: str, value: str) -> Iterator[str]:
    match = _BOUNDARY.search(value)
    if match:
        yield "bnd:" + shape(match[1])
        value = value[: match.start()]
    yield "cts:" + _MIME_WORD.sub("x", value)[:30]
    yield from _words(name, value)


def _spelling(content: bytes, field: HeaderField) -> Iterator[str]:
    """How the field's name is written, where it is not as usual."""
    written = content[field.start : field.start + len(field.name)].decode("ascii", "replace")
    if written == field.name:
        yield "nl:" + written
    elif written != written.title():
        yield "nc:" + written


def _hop(value: str) -> Iterator[str]:
    way = value.partition(";")[0][:500]
    for match in _IPV4.finditer(way):
        yield f"ip:{match[1]}.{match[2]}.{match[3]}"
        yield f"ip:{match[1]}.{match[2]}"
    for host in _HOST.findall(way):
        if host[-1].isdigit() and host.replace(".", "").isdigit():
            continue
        owner = organisation(host)
        yield "rh:" + owner
        yield "rh:" + owner.rpartition(".")[2]
        yield "rhs:" + shape(host.partition(".")[0])
    yield "rs:" + _NUMBERED.sub("N", _HOST.sub("H", way))[:60]


def _subject(value: str) -> Iterator[str]:
    words = [word[:MAX_WORD] for word in _WORD.findall(value)[:MAX_WORDS]]
    lower = [word.lower() for word in words]
    for word in words:
        yield "s:" + word
    for word in lower:
        yield "sl:" + word
    for first, second in zip(["^", *lower], [*lower, "$"], strict=True):
        yield f"sb:{first} {second}"
    letters = [character for character in value if character.isalpha()]
    yield f"sup:{sum(map(str.isupper, letters)) * 5 // (len(letters) or 1)}"
    yield f"slen:{len(value) // 10}"
    if "  " in value.strip():
        yield "sspace"
    for character in "!?$%*":
        if character in value:
            yield "sc:" + character


def _addresses(name: str, value: str) -> Iterator[str]:
    entries = headers.addresses(value)[:5]
    yield f"{name}:#{min(len(entries), 4)}"
    for shown, local, domain in entries:
        owner = organisation(domain)
        yield f"{name}@{local.lower()[:MAX_WORD]}"
        yield f"{name}ls:{shape(local)}"
        yield f"{name}d:{domain.lower()[:100]}"
        yield f"{name}d:{owner[:100]}"
        yield f"{name}t:{owner.rpartition('.')[2][:20]}"
        yield f"{name}nm:{bool(shown)}"
        for word in _WORD.findall(shown)[:MAX_WORDS]:
            yield f"{name}n:{word[:MAX_WORD].lower()}"
        if name == "from":
            yield "fns:" + shape(shown)
    yield f"{name}sh:" + _NOT_PUNCTUATION.sub("x", value)[:30]


def _message_id(value: str) -> Iterator[str]:
    left, _, right = value.strip("<> ").partition("@")
    right = right.lower()[:100]
    yield "mids:" + shape(left)
    yield "midd:" + right
    yield "midd2:" + organisation(right)
    yield f"midlen:{len(left) // 4}"


def _date(value: str) -> Iterator[str]:
    yield "date:" + _DIGIT.sub("9", _NAME_OF_DATE.sub("Mon", value[:60]))
    match = _ZONE.search(value)
    if match:
        yield "tz:" + match[0]
