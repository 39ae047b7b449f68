"""The header field ``TLS-Required: No``: its sender would rather have the message delivered than encrypted (RFC 8689 §3)."""

from __future__ import annotations

import re

FIELD = b"TLS-Required: No\r\n"
_FIELD = re.compile(rb"(?im)^tls-required[ \t]*:([^\r\n]*)$")


def says_no(content: bytes) -> bool:
    """Whether the message has the field, once and with that value; it has no other."""
    end = content.find(b"\r\n\r\n")
    head = content if end < 0 else content[:end]
    found = _FIELD.findall(head.replace(b"\r\n", b"\n"))
    return len(found) == 1 and found[0].strip().lower() == b"no"
