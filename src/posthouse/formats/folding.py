"""Folding a structured field at its spaces (RFC 5322 §2.2.3): no word is changed, so relaxed signatures over it hold."""

from __future__ import annotations

MAX_LINE = 78


def fold(name: str, value: str) -> bytes:
    """The whole field with its CRLF; lines of at most 78 octets where spaces allow it. Runs of spaces
    count as one. What is not ASCII becomes ``?``."""
    lines: list[str] = []
    line = head = f"{name}:"
    words = value.split()
    whole = " ".join((line, *words))
    if len(whole) <= MAX_LINE:
        return f"{whole}\r\n".encode("ascii", "replace")
    for word in words:
        if len(line) + 1 + len(word) > MAX_LINE and line is not head:
            lines.append(line)
            line = " " + word
        else:
            line = f"{line} {word}"
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("ascii", "replace")
