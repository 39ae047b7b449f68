"""IMAP strings ready to send: quoted, or literal where quoting cannot be (RFC 9051 §4.3).

Works on text; the caller encodes the whole to UTF-8 once. Text outside ASCII goes into literals, which every client reads.
"""

from __future__ import annotations

import re

MAX_QUOTED = 1000
_AS_IT_IS = re.compile(rf"[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]{{0,{MAX_QUOTED}}}+")


def string(text: str) -> str:
    """``text`` as an IMAP string."""
    if _AS_IT_IS.fullmatch(text) is not None:
        return f'"{text}"'
    if text.isascii() and len(text) <= MAX_QUOTED and "\n" not in text and "\r" not in text and "\0" not in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    text = text.replace("\0", "")
    return f"{{{len(text.encode('utf-8', 'replace'))}}}\r\n{text}"


def nstring(text: str | None) -> str:
    """``text`` as an IMAP string, NIL for None."""
    return "NIL" if text is None else string(text)
