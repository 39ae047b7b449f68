"""The index of a message: its header fields and MIME parts as offsets, found in one pass (RFC 5322, RFC 2045, RFC 2046).

The hot path of every acceptance. Boundaries are found by ``bytes.find``, outermost first, so that an outer boundary ends
whatever is open inside. Each search is charged to a budget in proportion to the message's size: whatever the nesting and
however many lines look like boundaries, the whole is linear. Lenient as users expect: lines may end in LF alone, the blank
line after the header may be missing, the closing delimiter too; a multipart without usable boundary has its whole body as
one text part. Must not know: IMAP's syntax, text decoding, what anybody does with ``problems``.
"""

from __future__ import annotations

import re

from posthouse.formats import headers
from posthouse.formats.mime import limits as words
from posthouse.formats.mime.limits import DEFAULT, Limits
from posthouse.formats.mime.parameters import Parameters, content_type, disposition, parameter
from posthouse.model.summary import HeaderField, Part

FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:[ \t]*+([^\n]*+\n?+(?:[ \t][^\n]*+\n?+)*+)")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+\r?(?:\n|\Z)")
_TEXT_PLAIN = ("text", "plain", (("charset", "us-ascii"),))
_MESSAGE = ("message", "rfc822", ())
_EMBEDDED = ("rfc822", "global")

# The first octets of a search and of each look at a candidate cost about as much as scanning this many.
_CANDIDATE_COST = 256
_WORK_PER_OCTET = 10
_WORK_AT_LEAST = 4 << 20


def index(content: bytes, limits: Limits = DEFAULT) -> Part:
    """The root part of ``content``. Never raises; where a limit is met, the index ends."""
    return scan(content, limits)[0]


def scan(content: bytes, limits: Limits = DEFAULT) -> tuple[Part, tuple[str, ...]]:
    """The root part, and the names of the limits that were met (``limits.PROBLEMS``)."""
    indexer = _Indexer(content, limits)
    root = indexer.entity(0, len(content), "", 1, _TEXT_PLAIN)
    return root, tuple(indexer.problems)


def fields_of(header: bytes) -> tuple[HeaderField, ...]:
    """The fields of a header that stands alone."""
    return _Indexer(header, DEFAULT).header(0, len(header))[0]


class _Indexer:
    """One scan's state: what is left of each budget."""

    __slots__ = ("content", "fields_left", "header_bytes_left", "limits", "parts_left", "problems", "work_left")

    def __init__(self, content: bytes, limits: Limits) -> None:
        self.content = content
        self.limits = limits
        self.problems: dict[str, None] = {}
        self.fields_left = limits.max_headers + 8 * limits.max_parts
        self.header_bytes_left = limits.max_header_bytes
        self.parts_left = limits.max_parts
        self.work_left = _WORK_AT_LEAST + _WORK_PER_OCTET * len(content)

    def entity(self, start: int, end: int, section: str, depth: int, default: tuple[str, str, Parameters]) -> Part:
        """The entity at [start:end], header first. ``default`` is the type when none is declared (RFC 2046 §5.1.5)."""
        self.parts_left -= 1
        content = self.content
        fields, body_start = self.header(start, end)
        first = {
            field.name: content[field.value_start : field.end] for field in reversed(fields) if field.name[:8] == "content-"
        }
        value = first.get("content-type")
        type_, subtype, params = default if value is None else content_type(headers.unfold(value))
        shown = ""
        shown_params: Parameters = ()
        encoding, content_id, description = "7bit", "", ""
        if len(first) > (value is not None):
            encoding = headers.unfold(first.get("content-transfer-encoding", b"7bit")).partition(" ")[0].lower() or "7bit"
            content_id = headers.unfold(first.get("content-id", b""))
            description = headers.unfold(first.get("content-description", b""))
            if "content-disposition" in first:
                shown, shown_params = disposition(headers.unfold(first["content-disposition"]))
        if section.endswith("."):  # The root of an embedded message: a multipart shares its container's number.
            section = section[:-1] if type_ == "multipart" else section + "1"
        children: tuple[Part, ...] = ()
        lines = 0
        if type_ == "multipart":
            children = self.multipart(body_start, end, section, depth, (subtype, parameter(params, "boundary")))
        elif type_ == "message" and subtype in _EMBEDDED:
            lines = self.lines(body_start, end)
            if self.may_descend(depth):
                children = (self.entity(body_start, end, (section or "1") + ".", depth + 1, _TEXT_PLAIN),)
        elif type_ == "text":
            lines = self.lines(body_start, end)
        return Part(
            section, type_, subtype, params, encoding, content_id, description, shown, shown_params,
            start, body_start, end, lines, fields, children,
        )  # fmt: skip

    def header(self, start: int, end: int) -> tuple[tuple[HeaderField, ...], int]:
        """The fields from ``start`` on, and where the body begins."""
        content = self.content
        limit = min(end, start + self.header_bytes_left)
        position = start
        if start == 0 and content.startswith((b"From ", b">From ")):  # The line that mbox files put in front.
            position = content.find(b"\n", 0, limit) + 1
        allowed = min(self.limits.max_headers, self.fields_left)
        fields: list[HeaderField] = []
        for match in iter(FIELD.scanner(content, position, limit).match, None):  # type: ignore[attr-defined]
            value_start, position = match.span(2)
            fields.append(HeaderField(match[1].decode().lower(), match.start(), value_start, position))
            if len(fields) >= allowed:
                break
        self.fields_left -= len(fields)
        self.header_bytes_left -= position - start
        too_many = len(fields) >= allowed and FIELD.match(content, position, limit) is not None
        if too_many or (limit < end and content.find(b"\n", position, limit) < 0):
            self.problems[words.TOO_MANY_FIELDS if too_many else words.HEADER_TOO_LARGE] = None
            blank = _BLANK_LINE.search(content, max(position - 1, start), end)
            return tuple(fields), blank.end() if blank else end
        if content.startswith(b"\r\n", position, end):
            return tuple(fields), position + 2
        return tuple(fields), position + 1 if content.startswith(b"\n", position, end) else position

    def lines(self, start: int, end: int) -> int:
        """How many lines end in [start:end]."""
        if self.work_left < 0:
            return 0
        self.work_left -= end - start
        return self.content.count(b"\n", start, end)

    def may_descend(self, depth: int) -> bool:
        if depth >= self.limits.max_depth:
            self.problems[words.TOO_DEEP] = None
            return False
        if self.parts_left <= 0:
            self.problems[words.TOO_MANY_PARTS] = None
            return False
        return True

    def multipart(self, start: int, end: int, section: str, depth: int, kind: tuple[str, str]) -> tuple[Part, ...]:
        """The children of a multipart body at [start:end]; ``kind`` is subtype and boundary."""
        if not self.may_descend(depth):
            return ()
        default = _MESSAGE if kind[0] == "digest" else _TEXT_PLAIN
        prefix = f"{section}." if section else ""
        delimiter = b"--" + kind[1].encode("utf-8", "replace").rstrip()
        children: list[Part] = []
        opened = -1
        hit = self.delimiter(delimiter, start, start, end) if len(delimiter) > 2 else None
        while hit is not None:
            at, following, closing = hit
            if opened >= 0:
                children.append(
                    self.entity(opened, self.before(at, opened), f"{prefix}{len(children) + 1}", depth + 1, default)
                )
            opened = -1 if closing else following
            if closing or not self.may_descend(depth):
                break
            hit = self.delimiter(delimiter, start, following, end)
        if opened >= 0 and self.parts_left > 0:
            children.append(self.entity(opened, end, f"{prefix}{len(children) + 1}", depth + 1, default))
        if not children and self.parts_left > 0:
            self.parts_left -= 1
            lines = self.lines(start, end)
            children.append(Part(f"{prefix}1", *_TEXT_PLAIN, "7bit", "", "", "", (), start, start, end, lines, ()))
        return tuple(children)

    def delimiter(self, delimiter: bytes, start: int, position: int, end: int) -> tuple[int, int, bool] | None:
        """The next delimiter line: where it starts, where the line after it starts, whether it closes. None if none."""
        content = self.content
        while True:
            at = content.find(delimiter, position, end)
            self.work_left -= (at if at >= 0 else end) - position + _CANDIDATE_COST
            if at < 0:
                return None
            if self.work_left < 0:
                self.problems[words.TOO_MUCH_WORK] = None
                return None
            if at == start or content[at - 1] == 10:
                match = _DELIMITER_END.match(content, at + len(delimiter), end)
                if match is not None:
                    return at, match.end(), match[1] is not None
            position = at + 1

    def before(self, at: int, opened: int) -> int:
        """The end of the part in front of the delimiter line at ``at``: the line break between belongs to the delimiter."""
        if at - 1 >= opened:
            at -= 1
            if at - 1 >= opened and self.content[at - 1] == 13:
                at -= 1
        return at
