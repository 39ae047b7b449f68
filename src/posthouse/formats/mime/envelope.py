"""IMAP's ENVELOPE from header fields (RFC 9051 §7.5.2).

Values stay as they were sent, unfolded; RFC 2047 words too. Sender and Reply-To default to From. A mailbox without a domain
gets a stand-in, since NIL there would mean a group.
"""

from __future__ import annotations

from collections.abc import Iterable

from posthouse.formats import addresslist, headers
from posthouse.formats.addresslist import Entry
from posthouse.formats.mime.imapstring import nstring, string
from posthouse.model.summary import HeaderField

MISSING_DOMAIN = "MISSING_DOMAIN"
MISSING_MAILBOX = "MISSING_MAILBOX"

_ONCE = frozenset(("date", "subject", "from", "sender", "reply-to", "in-reply-to", "message-id", "references"))
_LISTS = frozenset(("to", "cc", "bcc"))
_ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc")

Values = dict[str, str]


def values(content: bytes, fields: Iterable[HeaderField]) -> Values:
    """The unfolded values that an envelope is made of, and References; repeated To, Cc, Bcc fields as one list."""
    out: Values = {}
    lists: dict[str, list[str]] = {}
    for field in fields:
        name = field.name
        if name in _ONCE:
            if name not in out:
                out[name] = headers.unfold(content[field.value_start : field.end])
        elif name in _LISTS:
            lists.setdefault(name, []).append(headers.unfold(content[field.value_start : field.end]))
    for name, each in lists.items():
        out[name] = ", ".join(each)
    return out


def render(found: Values) -> tuple[str, dict[str, list[Entry]]]:
    """The ENVELOPE, and the entries of its address fields."""
    entries = {name: addresslist.entries(found[name]) for name in _ADDRESS_FIELDS if found.get(name)}
    rendered = {name: _addresses(each) for name, each in entries.items()}
    author = rendered.get("from", "NIL")
    sender, reply_to = rendered.get("sender", author), rendered.get("reply-to", author)
    to, cc, bcc = rendered.get("to", "NIL"), rendered.get("cc", "NIL"), rendered.get("bcc", "NIL")
    date, subject = nstring(found.get("date")), nstring(found.get("subject"))
    in_reply_to, message_id = nstring(found.get("in-reply-to")), nstring(found.get("message-id"))
    return f"({date} {subject} {author} {sender} {reply_to} {to} {cc} {bcc} {in_reply_to} {message_id})", entries


def _addresses(entries: list[Entry]) -> str:
    return "(" + "".join(map(_address, entries)) + ")" if entries else "NIL"


def _address(entry: Entry) -> str:
    name, local, domain = entry
    if domain is None:
        return f"(NIL NIL {nstring(local)} NIL)"
    return f"({nstring(name)} NIL {string(local or MISSING_MAILBOX)} {string(domain or MISSING_DOMAIN)})"
