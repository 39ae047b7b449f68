"""Frames of the gate: four octets of length (big-endian), then one msgpack value; and errors as msgpack carries them.

Requests are ``[call_id, kind, arguments]`` (call_id 0: no answer wanted), answers ``[call_id, result, error or nil]``; what is
answered to call_id 0 are notices. Both ends are this same program, started together, so there is no version in it. Knows
nothing of sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from posthouse.base.errors import AlreadyExists, BadValue, MailError, NoSpace, NotFound, Permanent, Temporary

WATCH = "watch"  # a tell: (kind, number, whether on) of ``want_notices``, any number of them
MAX_FRAME_BYTES = 256 << 20
HEADER = struct.Struct(">I")
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode
_NAMED: dict[str, type[NotFound] | type[AlreadyExists] | type[BadValue]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "BadValue": BadValue,
}


class FrameReader:
    """Cuts a stream into frames; each octet is copied at most once more than it arrived."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._have = 0
        self._need = HEADER.size

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """The frames that ``data`` completes. Raises ValueError for one that is too long."""
        self._chunks.append(data)
        self._have += len(data)
        if self._have < self._need:
            return
        if len(self._chunks) > 1:
            data = b"".join(self._chunks)
        view = memoryview(data)
        at, end = 0, len(data)
        self._need = HEADER.size
        while end - at >= HEADER.size:
            (length,) = HEADER.unpack_from(data, at)
            if length > MAX_FRAME_BYTES:
                raise ValueError("a frame is too long")
            if end - at < HEADER.size + length:
                self._need = HEADER.size + length
                break
            start, at = at + HEADER.size, at + HEADER.size + length
            yield view[start:at]
        self._chunks = [data[at:]] if at < end else []
        self._have = end - at


def pack_error(error: MailError) -> list[Any]:
    """For ``unpack_error``."""
    fields = [error.public, error.code, error.enhanced, error.imap_code, error.cause]
    return [type(error).__name__, error.temporary, *fields]


def unpack_error(packed: list[Any]) -> MailError:
    """The error that was packed, of the same class where that is one of the family's own."""
    name, temporary, public, code, enhanced, imap_code, cause = packed
    if name == "NoSpace":
        return NoSpace(cause)
    if name in _NAMED:
        return _NAMED[name](public, cause=cause)
    kind = Temporary if temporary else Permanent
    return kind(public, code=code, enhanced=enhanced, imap_code=imap_code, cause=cause)
