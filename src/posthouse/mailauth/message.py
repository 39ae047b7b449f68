"""A message as authentication sees it: its octets with the header's index (made once, at acceptance)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.model.summary import HeaderField, Summary


@dataclass(frozen=True, slots=True)
class Message:
    """``fields`` from top to bottom with offsets into ``content``; the body is [body_start:]."""

    content: bytes
    fields: Sequence[HeaderField]
    body_start: int

    @classmethod
    def of(cls, content: bytes, summary: Summary) -> Message:
        """The message that ``summary`` was made of."""
        return cls(content, summary.root.headers, summary.header_end)

    def raw(self, field: HeaderField) -> bytes:
        """The whole field as it stands, its final line end included."""
        return self.content[field.start : field.end]

    def value(self, field: HeaderField) -> bytes:
        """What is behind the colon, its final line end included."""
        return self.content[field.value_start : field.end]

    def named(self, name: str) -> list[HeaderField]:
        """The fields of this name (lower case), from top to bottom."""
        return [field for field in self.fields if field.name == name]

    @property
    def body(self) -> memoryview:
        """The body, not copied."""
        return memoryview(self.content)[self.body_start :]
