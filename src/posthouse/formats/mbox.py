"""mbox files, read as they come and written as mboxrd (RFC 4155 appendix A; the variants have no other standard).

Reading takes mboxrd, mboxo, mboxcl and mboxcl2: a message begins at a line ``From SENDER DATE`` that starts the file or
follows an empty line, and that has a date in it, so that a sentence of a body does not begin one. Such lines inside a message
are its body's where ``Content-Length`` says so and leads exactly to another one, or to the file's end. Only one message at a
time is held; one that is too large is passed over and named. No file is touched here: octets come in by ``feed``. Messages come
out with CRLF.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass

from posthouse.formats.mbox_status import Marks, status_fields, take_marks

MAX_LINE = 1 << 16
MAX_HEADER_BYTES = 1 << 20
_FROM = b"From "
_QUOTED = re.compile(rb"^>(>*From )", re.M)
_TO_QUOTE = re.compile(rb"^(>*From )", re.M)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_DATE = re.compile(
    rb"([A-Z][a-z]{2})\s{1,4}(\d{1,2})\s{1,4}(\d{1,2}):(\d\d)(?::(\d\d))?(?:\s{1,4}[A-Z]{1,5})?(?:\s{1,4}([+-]\d{4}))?"
    rb"\s{1,4}(\d{4})(?:\s{1,4}([+-]\d{4}))?"
)


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """``content`` has CRLF line ends; empty, with ``size_bytes`` as read, for a message that was too large to be held.

    ``received_at`` is the date of its From line, seconds since 1970, None if that cannot be read.
    """

    content: bytes
    flags: tuple[str, ...]
    received_at: float | None
    size_bytes: int

    @property
    def is_whole(self) -> bool:
        """Whether it was small enough."""
        return bool(self.content)


def from_date(line: bytes) -> float | None:
    """Seconds since 1970 of a From line's date (UTC unless it says otherwise); None if it has none."""
    match = _DATE.search(line[:500])
    if match is None or match[1] not in _MONTHS:
        return None
    month, zone = _MONTHS.index(match[1]) + 1, match[6] or match[8]
    day, hour, minute, second = int(match[2]), int(match[3]), int(match[4]), int(match[5] or 0)
    if not (1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    at = float(timegm((int(match[7]), month, day, hour, minute, second, 0, 1, 0)))
    if zone:
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        at += 60 * minutes if zone[:1] == b"-" else -60 * minutes
    return at


def is_from_line(line: bytes) -> bool:
    """Whether a line that starts a file or follows an empty one begins a message."""
    return line.startswith(_FROM) and from_date(line) is not None


class MboxReader:
    """``feed`` it the file piece by piece, then ``finish``; both give the messages that are whole by then."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max = max_message_bytes
        self._rest = b""
        self._after_empty = True
        self._believes_lengths = True
        self._parts: _Parts | None = None

    def feed(self, data: bytes) -> Iterator[MboxMessage]:
        """The next piece."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            yield from self._line(line + b"\n")
        if len(self._rest) > MAX_LINE:
            # The rest of an endless line: it goes in piece by piece, and can begin no message.
            if self._parts is not None:
                self._parts.add(self._rest)
            self._rest, self._after_empty = b"", False

    def finish(self) -> Iterator[MboxMessage]:
        """The file's end."""
        if self._rest:
            yield from self._line(self._rest)
        self._rest = b""
        if self._parts is not None and self._parts.suppressed and not self._parts.ends_right():
            yield from self._again(self._parts)
        yield from self._end()

    def _line(self, line: bytes) -> Iterator[MboxMessage]:
        parts = self._parts
        begins = self._after_empty and is_from_line(line)
        empty = line in (b"\n", b"\r\n")
        if parts is not None and parts.is_lie(begins=begins, empty=empty):
            yield from self._again(parts)
            parts = self._parts
        if begins and parts is not None and parts.inside_length():
            parts.suppressed = True
        elif begins:
            yield from self._end()
            self._parts, self._after_empty = _Parts(line, self._max, believes_length=self._believes_lengths), False
            return
        if self._parts is not None:
            self._parts.add(line)
        self._after_empty = empty

    def _again(self, parts: _Parts) -> Iterator[MboxMessage]:
        """Content-Length was a lie: what it hid is looked at once more, and no other is believed, so that this costs no more
        than reading the file twice."""
        self._believes_lengths = False
        lines = parts.take_body().split(b"\n")
        self._after_empty = True
        for line in lines[:-1]:
            yield from self._line(line + b"\n")
        if lines[-1]:
            yield from self._line(lines[-1])

    def _end(self) -> Iterator[MboxMessage]:
        parts, self._parts = self._parts, None
        if parts is not None and (message := parts.message()) is not None:
            yield message


class _Parts:
    """One message under way: its header's lines, then its body. ``suppressed``: a From line in its body was passed over, since
    Content-Length says that it belongs there."""

    def __init__(self, from_line: bytes, limit: int, *, believes_length: bool) -> None:
        self._received_at = from_date(from_line)
        self._limit = limit
        self._believes_length = believes_length
        self._header: list[bytes] | None = []
        self._marks = Marks(())
        self._body = bytearray()
        self._lines: list[bytes] = []
        self._size = 0
        self._length: int | None = None
        self.suppressed = False

    def inside_length(self) -> bool:
        """Whether Content-Length reaches beyond here; one that leads beyond what can be held says nothing."""
        return self._length is not None and self._size <= self._limit and len(self._body) < self._length <= self._limit

    def is_lie(self, *, begins: bool, empty: bool) -> bool:
        """Whether Content-Length hid something, but does not lead to where a message begins: at the line that comes next."""
        if not self.suppressed or self.inside_length() or begins:
            return False
        return not (empty and len(self._body) == self._length)

    def ends_right(self) -> bool:
        """Whether a message that ends here ends as Content-Length says, but for an empty line."""
        return (
            self._length is not None and bytes(self._body[self._length :]) in (b"", b"\n", b"\r\n") and not self.inside_length()
        )

    def take_body(self) -> bytes:
        """The body so far, which is forgotten together with Content-Length."""
        body = bytes(self._body)
        self._size -= len(body)
        self._body.clear()
        self._length, self.suppressed = None, False
        return body

    def add(self, octets: bytes) -> None:
        """The next line, or a piece of one."""
        self._size += len(octets)
        if self._header is None:
            if self._size <= self._limit:
                self._body += octets
        elif octets in (b"\n", b"\r\n"):
            self._end_header()
        elif self._size > MAX_HEADER_BYTES:
            self._end_header()
            self._body += octets
        else:
            self._header.append(octets)

    def _end_header(self) -> None:
        self._lines, self._marks = take_marks(self._header or [])
        self._header = None
        for line in self._lines if self._believes_length else ():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit() and len(value) < 20:
                self._length = int(value)

    def message(self) -> MboxMessage | None:
        """All of it; None for what is no message."""
        if self._header is not None:
            self._end_header()
        if self._marks.hidden or not self._size:
            return None
        if self._size > self._limit:
            return MboxMessage(b"", self._marks.flags, self._received_at, self._size)
        content = self._content()
        return MboxMessage(content, self._marks.flags, self._received_at, len(content))

    def _content(self) -> bytes:
        body, head = bytes(self._body), b"".join(self._lines)
        if self.suppressed:
            return crlf(head + b"\n" + body[: self._length])
        # The empty line before the next From line is the file's; at the end of the file it may be missing.
        if body in (b"\n", b"\r\n"):
            body = b""
        elif body.endswith(b"\n\n"):
            body = body[:-1]
        elif body.endswith(b"\n\r\n"):
            body = body[:-2]
        return crlf(_QUOTED.sub(rb"\1", head) + b"\n" + _QUOTED.sub(rb"\1", body))


def crlf(octets: bytes) -> bytes:
    """With CRLF for every line end that is LF or CRLF."""
    if b"\r" in octets:
        octets = octets.replace(b"\r\n", b"\n")
    return octets.replace(b"\n", b"\r\n")


def lf(octets: bytes) -> bytes:
    """With LF for every CRLF."""
    return octets.replace(b"\r\n", b"\n")


def render(content: bytes, flags: tuple[str, ...], received_at: float) -> bytes:
    """One message as mboxrd has it, with its From line before and an empty line after it."""
    text = lf(content)
    head, _, body = (b"", b"", text[1:]) if text.startswith(b"\n") else text.partition(b"\n\n")
    head = head.removesuffix(b"\n") + b"\n" if head else b""
    if body and not body.endswith(b"\n"):
        body += b"\n"
    quoted_head, quoted_body = _TO_QUOTE.sub(rb">\1", head), _TO_QUOTE.sub(rb">\1", body)
    return b"".join((_from_line(head, received_at), quoted_head, status_fields(flags), b"\n", quoted_body, b"\n"))


def _from_line(head: bytes, received_at: float) -> bytes:
    sender = b"MAILER-DAEMON"
    if head.lower().startswith(b"return-path:"):
        path = head.partition(b"\n")[0].partition(b":")[2].strip(b" \t<>")
        if path and all(33 <= octet <= 126 for octet in path):
            sender = path[:300]
    moment = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(min(max(received_at, 0), 253_402_300_799)))
    return b"From %s %s\n" % (sender, moment.encode())
