"""The addresses in the fields that say who wrote a message, and the same fields with other addresses (RFC 5322 §3.6.2).

Names stay as they are; what is not an address, too. Everything is linear and bounded by ``addresslist``.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.formats import addresslist, headers
from posthouse.model.summary import HeaderField, Part

AUTHORS = ("from", "sender")
WRITTEN_BY = ("from", "sender", "reply-to", "resent-from", "resent-sender")
Rewrite = Callable[[str, str], tuple[str, str]]
"""From local part and domain to those that stand in their place."""


def authors(content: bytes, root: Part) -> list[tuple[str, str, str]]:
    """Field name, local part and domain ("" if it is missing) of each address in From and Sender."""
    found = []
    for field in root.headers:
        if field.name in AUTHORS:
            value = headers.unfold(content[field.value_start : field.end])
            entries = addresslist.entries(value)
            found += [(field.name, local, domain) for _, local, domain in entries if local and domain is not None]
    return found


def rewritten(content: bytes, root: Part, rewrite: Rewrite, fields: tuple[str, ...] = WRITTEN_BY) -> bytes:
    """``content`` with the addresses of these fields rewritten; the same object if nothing changes."""
    pieces, position = [], 0
    for field in root.headers:
        if field.name in fields:
            value = _value(content, field, rewrite)
            if value is not None:
                name = content[field.start : field.value_start].partition(b":")[0]
                pieces += [content[position : field.start], name, b": ", value, b"\r\n"]
                position = field.end
    return b"".join([*pieces, content[position:]]) if pieces else content


def _value(content: bytes, field: HeaderField, rewrite: Rewrite) -> bytes | None:
    """The field's new value, folded one address a line; None if it stays as it is."""
    entries = addresslist.entries(headers.unfold(content[field.value_start : field.end]))
    words, changed = [], False
    for name, local, domain in entries:
        if not local or domain is None:
            return None  # groups are left alone
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
