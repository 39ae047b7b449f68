"""The control socket's frames: one operation asked for, one answer. Sans-IO.

A frame is a length of 4 octets (big endian) and that many octets of MessagePack. The shell and the administration
protocol speak it to the steward over a Unix socket; the peer's user id, not the frame, is what gives it its rights.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

MAX_REQUEST_BYTES = 2 << 20
MAX_ANSWER_BYTES = 256 << 20
_LENGTH = 4

Kind = Literal["done", "usage", "failed"]
Field = bool | int | float | str | None


class Request(msgspec.Struct, frozen=True):
    """``who`` "" stands for the peer's own user. ``given``: texts by argument name from standard input.

    ``face``: ``people`` wants text, ``program`` plain values, ``protocol`` lines of fields (and its looser grammar), ``json``
    the value as JSON in ``body``. ``named``: arguments by name, in JSON's types; then ``words`` are noun and verb alone.
    ``scopes``: what the asker's token is limited to, None: it is no token.
    """

    words: list[str]
    given: dict[str, str] = {}
    who: str = ""
    role: str = "administrator"
    via: str = "shell"
    domain: str = ""
    face: Literal["people", "program", "protocol", "json"] = "people"
    named: dict[str, Any] | None = None
    scopes: list[str] | None = None


class Answer(msgspec.Struct, frozen=True):
    """``text`` for people or the error's public text, ``value`` for programs, ``lines`` for the protocol.

    ``complaint``: the operation was done, and what it found is wrong (one line); the command line exits with 1."""

    kind: Kind
    text: str = ""
    code: str = ""
    value: object = None
    lines: list[list[Field]] = []
    complaint: str = ""
    body: bytes = b""
    temporary: bool = False


class FrameError(ValueError):
    """The peer does not speak this protocol, or passed a limit."""


_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(Request)
_answers = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """One frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH, "big") + body


class FrameReader:
    """Collects octets into frames' bodies; a frame longer than ``max_bytes`` raises FrameError."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More octets from the peer. Raises FrameError."""
        self._buffer += data
        if len(self._buffer) >= _LENGTH and self._size() > self._max_bytes:
            raise FrameError("the frame is too long")

    def next(self) -> bytes | None:
        """The next whole frame's body, or None. Raises FrameError."""
        if len(self._buffer) < _LENGTH:
            return None
        size = self._size()
        if size > self._max_bytes:
            raise FrameError("the frame is too long")
        if len(self._buffer) < _LENGTH + size:
            return None
        body = bytes(self._buffer[_LENGTH : _LENGTH + size])
        del self._buffer[: _LENGTH + size]
        return body

    def _size(self) -> int:
        return int.from_bytes(self._buffer[:_LENGTH], "big")


def decode_request(body: bytes) -> Request:
    """Raises FrameError."""
    try:
        return _requests.decode(body)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from error


def decode_answer(body: bytes) -> Answer:
    """Raises FrameError."""
    try:
        return _answers.decode(body)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from error
