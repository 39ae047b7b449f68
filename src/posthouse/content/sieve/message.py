"""A message as tests see it: header fields decoded, texts of the body, attachments; made when first asked, then kept.

One ``MessageView`` serves all scripts that run on a message: the system's, the domain's, every recipient's. It never
changes; what a script has edited is in its own state. RFC 5228 §2.4.2, RFC 5173, RFC 2047.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from posthouse.formats import charsets, headers
from posthouse.formats.mime import sections, transfer
from posthouse.formats.mime.parameters import parameter
from posthouse.formats.text.html import visible_text
from posthouse.model.summary import Part

MAX_FIELD_CHARS = 16_384
MAX_BODY_BYTES = 1 << 20
"""Octets of decoded text that are looked at in one message; what is beyond is not seen by body tests."""


class BodyText:
    """One text, in the forms in which it is compared; each is made once. ``without`` is what was found not to be in it, by who
    looked (``matching``)."""

    __slots__ = ("_folded", "_octets", "text", "without")

    def __init__(self, text: str) -> None:
        self.text = text
        self.without: dict[object, bool] = {}
        self._octets: bytes | None = None
        self._folded: bytes | None = None

    @property
    def octets(self) -> bytes:
        """UTF-8."""
        if self._octets is None:
            self._octets = self.text.encode("utf-8", "replace")
        return self._octets

    @property
    def folded(self) -> bytes:
        """UTF-8 with ASCII letters in lower case (i;ascii-casemap)."""
        if self._folded is None:
            self._folded = self.octets.lower()
        return self._folded


@dataclass(frozen=True, slots=True)
class Attachment:
    """``declared`` and ``detected`` are types such as ``application/zip``; ``detected`` "" when the octets say nothing.

    ``members`` are the names in an archive, as deep as it was opened.
    """

    section: str
    name: str
    declared: str
    detected: str
    size_bytes: int
    members: tuple[str, ...] = ()


Inspector = Callable[[bytes, Part, bytes], tuple[str, tuple[str, ...]]]
"""Detected type and archive members of (message, part, decoded octets)."""


class MessageView:
    """``root`` is the index of ``content``. ``inspector`` tells what an attachment really is."""

    def __init__(self, content: bytes, root: Part, inspector: Inspector | None = None) -> None:
        self.content = content
        self.root = root
        self.size_bytes = len(content)
        self._inspector = inspector
        self._fields: dict[str, tuple[str, ...]] = {}
        self._raw_fields: dict[str, tuple[str, ...]] = {}
        self._part_fields: dict[tuple[str, str], tuple[str, ...]] = {}
        self._bodies: dict[str, BodyText | None] = {}
        self._raw: BodyText | None = None
        self._plain: BodyText | None = None
        self._attachments: tuple[Attachment, ...] | None = None

    def fields(self, name: str) -> tuple[str, ...]:
        """Decoded values of the top header's fields of this name (lower case), first to last."""
        found = self._fields.get(name)
        if found is None:
            found = self._fields[name] = self._values(self.root, name)
        return found

    def raw_fields(self, name: str) -> tuple[str, ...]:
        """The same unfolded only, for address lists: decoded words in names may hold commas."""
        found = self._raw_fields.get(name)
        if found is None:
            found = self._raw_fields[name] = tuple(headers.values_of(self.content, self.root, name))
        return found

    def part_fields(self, part: Part, name: str) -> tuple[str, ...]:
        """The same of a part's own header."""
        if part is self.root:
            return self.fields(name)
        key = (part.section or f"@{part.header_start}", name)
        found = self._part_fields.get(key)
        if found is None:
            found = self._part_fields[key] = self._values(part, name)
        return found

    def _values(self, part: Part, name: str) -> tuple[str, ...]:
        content = self.content
        return tuple(
            [headers.decoded_value(content, field, MAX_FIELD_CHARS).strip() for field in part.headers if field.name == name]
        )

    @property
    def raw_body(self) -> BodyText:
        """The undecoded body (RFC 5173 §5.1)."""
        if self._raw is None:
            start = self.root.body_start
            self._raw = BodyText(self.content[start : start + MAX_BODY_BYTES].decode("utf-8", "replace"))
        return self._raw

    @property
    def plain_text(self) -> BodyText:
        """All text of the message as people read it, HTML without its tags (RFC 5173 §5.3)."""
        if self._plain is None:
            texts = []
            for part in walk(self.root):
                if part.type == "text" and (body := self.part_text(part)) is not None:
                    texts.append(visible_text(body.text) if part.subtype == "html" else body.text)
            self._plain = BodyText("\r\n".join(texts))
        return self._plain

    def content_texts(self, types: Sequence[str]) -> list[BodyText]:
        """The texts of all parts whose type is among ``types``: ``text``, ``text/html``, "" for all (RFC 5173 §5.2)."""
        wanted = [kind.lower() for kind in types]
        found = []
        for part in walk(self.root):
            full = f"{part.type}/{part.subtype}"
            if any(_fits(kind, part.type, full) for kind in wanted) and (body := self.part_text(part)) is not None:
                found.append(body)
        return found

    def part_text(self, part: Part) -> BodyText | None:
        """A part's text: decoded; of a message its header, of a multipart what stands around its parts."""
        key = f"{part.section}@{part.header_start}"
        if key not in self._bodies:
            self._bodies[key] = self._read_text(part)
        return self._bodies[key]

    def _read_text(self, part: Part) -> BodyText | None:
        content = self.content
        if part.type == "multipart":
            if not part.children:
                return None
            before = content[part.body_start : part.children[0].header_start]
            return BodyText((before + content[part.children[-1].body_end : part.body_end]).decode("utf-8", "replace"))
        if part.type == "message" and part.children:
            embedded = part.children[0]
            lines = [f"{field.name}: {headers.decoded_value(content, field, MAX_FIELD_CHARS)}" for field in embedded.headers]
            return BodyText("\r\n".join(lines))
        if part.encoding not in transfer.KNOWN:
            return None
        raw = content[part.body_start : min(part.body_end, part.body_start + 2 * MAX_BODY_BYTES)]
        octets = transfer.decode(raw, part.encoding)
        return BodyText(charsets.decode(octets[:MAX_BODY_BYTES], parameter(part.params, "charset")))

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All parts that are attachments: those with a name, with that disposition, or that are no text."""
        if self._attachments is None:
            self._attachments = tuple(self._attachment(part) for part in walk(self.root) if is_attachment(part))
        return self._attachments

    def _attachment(self, part: Part) -> Attachment:
        try:
            octets = sections.decoded(self.content, part)
        except sections.UnknownEncoding:
            octets = self.content[part.body_start : part.body_end]
        detected, members = self._inspector(self.content, part, octets) if self._inspector else ("", ())
        return Attachment(
            section=part.section or "1",
            name=sections.filename(part),
            declared=f"{part.type}/{part.subtype}",
            detected=detected,
            size_bytes=len(octets),
            members=members,
        )


def is_attachment(part: Part) -> bool:
    """Whether people would call it one."""
    if part.type == "multipart":
        return False
    return part.disposition == "attachment" or bool(sections.filename(part)) or part.type != "text"


def walk(part: Part) -> Iterator[Part]:
    """A part and all below it, in order, without recursion."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed(one.children)


def _fits(wanted: str, type_: str, full: str) -> bool:
    """RFC 5173 §5.2: no slash means any subtype; one that begins or ends with a slash, or has two, fits nothing."""
    if not wanted:
        return True
    return wanted == (full if "/" in wanted else type_)
