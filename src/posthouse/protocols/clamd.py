"""clamd's protocol: commands and replies ended by NUL, streams in length-prefixed pieces, numbered within a session.

Source: clamd(8), sections COMMANDS and ``IDSESSION``. Sans IO; knows nothing of mail.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Literal

BEGIN_SESSION = b"zIDSESSION\0"
END_SESSION = b"zEND\0"
INSTREAM = b"zINSTREAM\0"
VERSION = b"zVERSION\0"
END_OF_STREAM = bytes(4)
MAX_REPLY_BYTES = 65_536

_REPLY = re.compile(r"(?:(\d+): )?(.*)", re.S)
_FOUND = re.compile(r"(?:stream: |fd\[\d+\]: )?(.+?)(?:\(\w+:\d+\))? FOUND", re.S)
_SIZE_LIMIT = "INSTREAM size limit exceeded"


class Garbled(ValueError):
    """The other side does not speak this protocol."""


@dataclass(frozen=True, slots=True)
class Reply:
    """``number`` is the command's within its session, from 1; 0 outside of one. ``text`` is the virus or the error."""

    number: int
    kind: Literal["ok", "found", "too large", "error", "other"]
    text: str = ""


def piece(octets: bytes | memoryview) -> bytes:
    """The frame in front of a piece of a stream."""
    return len(octets).to_bytes(4, "big")


class Replies:
    """Cuts what comes in into replies. Raises Garbled when one is too long."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, octets: bytes) -> list[Reply]:
        *whole, self._waiting = (self._waiting + octets).split(b"\0")
        if len(self._waiting) > MAX_REPLY_BYTES:
            raise Garbled("a reply without end")
        return [parse(each) for each in whole]


def parse(octets: bytes) -> Reply:
    """One reply without its NUL."""
    match = _REPLY.fullmatch(octets.decode("utf-8", "replace").strip())
    assert match is not None, "the expression takes anything"
    number, text = int(match[1] or 0), match[2]
    if found := _FOUND.fullmatch(text):
        return Reply(number, "found", found[1])
    if text.endswith(" OK"):
        return Reply(number, "ok")
    if _SIZE_LIMIT in text:
        return Reply(number, "too large", text)
    return Reply(number, "error" if text.endswith("ERROR") else "other", text)


def versions(text: str) -> tuple[str, str, float | None]:
    """Engine, patterns and their time (of this machine's zone, which is clamd's) from ``ClamAV 1.4.3/27800/Mon Oct 27 ...``."""
    engine, _, rest = text.strip().partition("/")
    patterns, _, date = rest.partition("/")
    try:
        at: float | None = time.mktime(time.strptime(date.strip(), "%a %b %d %H:%M:%S %Y"))
    except (ValueError, OverflowError):
        at = None
    return engine, patterns, at
