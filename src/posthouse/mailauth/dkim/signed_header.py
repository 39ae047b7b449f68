"""Which fields a signature covers, and the hash over them (RFC 6376 §3.7, §5.4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from posthouse.mailauth.dkim import canonical, tags
from posthouse.mailauth.dkim.canonical import Form
from posthouse.mailauth.message import Message
from posthouse.model.summary import HeaderField


class Fields:
    """A message's fields by name, for the signatures on it."""

    __slots__ = ("_by_name", "_relaxed", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._relaxed: dict[int, bytes] = {}
        self._by_name: dict[str, list[HeaderField]] = {}
        for field in message.fields:
            self._by_name.setdefault(field.name, []).append(field)

    def canonical(self, field: HeaderField, form: Form) -> bytes:
        """The field in a canonical form, with its CRLF."""
        if form == "simple":
            return self.message.raw(field)
        found = self._relaxed.get(field.start)
        if found is None:
            raw = self.message.raw(field)
            found = self._relaxed[field.start] = canonical.relaxed_header(raw, field.value_start - field.start)
        return found

    def chosen(self, names: Sequence[str]) -> list[HeaderField]:
        """For each name the lowest field not yet taken; a name without one stands for nothing (over-signing)."""
        taken: dict[str, int] = {}
        out = []
        for name in names:
            fields = self._by_name.get(name, ())
            count = taken.get(name, 0)
            if count < len(fields):
                out.append(fields[-1 - count])
            taken[name] = count + 1
        return out

    def digest(self, names: Sequence[str], form: Form, own: bytes, own_value_start: int) -> bytes:
        """SHA-256 over the chosen fields and the signature's ``own`` field, whose b= is left out."""
        hasher = hashlib.sha256()
        for field in self.chosen(names):
            hasher.update(self.canonical(field, form))
        hasher.update(without_signature(own, own_value_start, form))
        return hasher.digest()


def without_signature(raw: bytes, value_start: int, form: Form) -> bytes:
    """A signature's own field as it is hashed: no value of b=, no CRLF at the end."""
    bare = raw[:value_start] + tags.without_b(raw[value_start:].removesuffix(b"\n").removesuffix(b"\r"))
    if form == "simple":
        return bare
    return canonical.relaxed_header(bare, value_start).removesuffix(b"\r\n")
