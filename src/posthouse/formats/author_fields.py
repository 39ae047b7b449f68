"""The addresses in the fields that say who wrote a message, and the same fields with other addresses (RFC 5322 §3.6.2).

Names stay as they are; what is not an address, too. Everything is linear and bounded by ``addresslist``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.formats import addresslist, headers
from posthouse.model.summary import HeaderField, Part

AUTHORS = ("from", "sender")
WRITTEN_BY = ("from", "sender", "reply-to", "resent-from", "resent-sender")
Rewrite = Callable[[str, str], tuple[str, str]]
"""From local part and domain to those that stand in their place."""


def authors(content: bytes, root: Part) -> list[tuple[str, str, str]]:
    """Field name, local part and domain ("" if it is missing) of each address in From and Sender."""
    return [
        (field.name, local, domain)
        for field in root.headers
        if field.name in AUTHORS
        for _, local, domain in _entries(content, field)
        if local and domain is not None
    ]


def is_veiled(content: bytes, root: Part) -> bool:
    """Whether From or Sender hides in a group who wrote it (RFC 6854), or names nobody that can be read."""
    return any(_is_veiled(_entries(content, field)) for field in root.headers if field.name in AUTHORS)


def _entries(content: bytes, field: HeaderField) -> Sequence[addresslist.Entry]:
    return addresslist.entries(headers.unfold(content[field.value_start : field.end]))


def _is_veiled(entries: Sequence[addresslist.Entry]) -> bool:
    return not entries or any(not local or domain is None for _, local, domain in entries)


def rewritten(
    content: bytes,
    root: Part,
    rewrite: Rewrite,
    fields: tuple[str, ...] = WRITTEN_BY,
    instead: tuple[str, str] | None = None,
) -> bytes:
    """``content`` with the addresses of these fields rewritten; the same object if nothing changes. Veiled fields are left
    alone, or have the one address ``instead``."""
    pieces, position = [], 0
    for field in root.headers:
        if field.name in fields:
            value = _value(_entries(content, field), rewrite, instead)
            if value is not None:
                name = content[field.start : field.value_start].partition(b":")[0]
                pieces += [content[position : field.start], name, b": ", value, b"\r\n"]
                position = field.end
    return b"".join([*pieces, content[position:]]) if pieces else content


def _value(entries: Sequence[addresslist.Entry], rewrite: Rewrite, instead: tuple[str, str] | None) -> bytes | None:
    """The field's new value, folded one address a line; None if it stays as it is."""
    if _is_veiled(entries):
        return addresslist.spelled(*instead).encode("utf-8", "surrogateescape") if instead is not None else None
    words, changed = [], False
    for name, local, domain in entries:
        assert local and domain is not None, "it is not veiled"
        before = (local, domain.lower())
        after = rewrite(*before)
        changed = changed or after != before
        spelled = addresslist.spelled(*after)
        words.append(f"{_phrase(name)} <{spelled}>" if name else spelled)
    return ",\r\n ".join(words).encode("utf-8", "surrogateescape") if changed else None


def _phrase(name: str) -> str:
    """A display name as it may stand in a header: encoded words as they are, everything else in quotes if it must."""
    if all(char.isalnum() or char in " !#$%&'*+-/=?^_`{|}~" for char in name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
