"""A stored message as it came: without the fields that this host put in front, and with what they tell of its way in.

Fields up to and with our Received are ours (RFC 5321 §4.4, ``formats.received``). Of a message that another host received, the
topmost Received tells the client, as far as it can be read; nothing is taken away but Return-Path.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from posthouse.formats import dates, headers
from posthouse.formats.mime import index

_OURS = re.compile(
    r"from (?P<helo>\S+) \((?:(?P<host>\S+) )?\[(?:IPv6:)?(?P<client>[0-9A-Fa-f.:]+)\]\) by (?P<by>\S+) with (?P<with>\S+)"
    r"(?: \((?P<tls>\S+) \S+\))? id (?P<id>[0-9A-Z]{26})(?: for <(?P<rcpt>[^>]+)>)?; (?P<date>.+)"
)
_ADDRESS = re.compile(r"\[(?:IPv6:)?(\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})\]")
_FROM = re.compile(r"from\s+(\S+)")
_MAX_RECEIVED = 2_000


@dataclass(frozen=True, slots=True)
class Original:
    """``at`` None, texts "": not known. ``sender`` None: no Return-Path told it."""

    content: bytes
    sender: str | None = None
    client: str = ""
    helo: str = ""
    host: str = ""
    protocol: str = ""
    trace_id: str = ""
    recipient: str = ""
    at: float | None = None


def original(content: bytes, own_names: Collection[str]) -> Original:
    """``own_names`` are those that this host has in Received, in lower case."""
    fields = index(content).headers
    sender = None
    for field in fields:
        if field.name == "return-path" and sender is None:
            sender = headers.decoded_value(content, field).strip().strip("<>")
        if field.name != "received":
            continue
        text = " ".join(headers.decoded_value(content, field, _MAX_RECEIVED).split())
        match = _OURS.fullmatch(text)
        if match is not None and match["by"].lower() in own_names:
            return Original(
                content[field.end :],
                sender,
                match["client"],
                match["helo"],
                match["host"] or "",
                match["with"],
                match["id"],
                match["rcpt"] or "",
                dates.parse(match["date"]),
            )
        return _foreign(content, sender, text)
    return _foreign(content, sender, "")


def _foreign(content: bytes, sender: str | None, received: str) -> Original:
    address, name = _ADDRESS.search(received), _FROM.match(received)
    if content[:12].lower() == b"return-path:":
        end = index(content).headers[0].end
        content = content[end:]
    at = dates.parse(received.rpartition(";")[2].strip()) if ";" in received else None
    return Original(content, sender, address[1] if address else "", name[1][:255] if name else "", at=at)
