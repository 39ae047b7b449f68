"""Frames of the bus between the processes of a node, as a pure codec.

A frame is ``length`` (4 octets, of what follows), the topic's length (1), the topic, and the payload in MessagePack. So the
hub can pass frames on by topic without unpacking them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import msgspec

MAX_FRAME_BYTES = 16 << 20

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, object])


def encode(topic: str, payload: Mapping[str, object]) -> bytes:
    """One frame."""
    name = topic.encode()
    body = _encoder.encode(payload)
    return struct.pack("!IB", 1 + len(name) + len(body), len(name)) + name + body


def split(buffer: bytearray) -> Iterator[tuple[str, bytes]]:
    """Takes the whole frames off the front of ``buffer``: topic and packed payload. Raises ValueError on nonsense."""
    start = 0
    view = bytes(buffer)
    while len(view) - start >= 5:
        length, topic_bytes = struct.unpack_from("!IB", view, start)
        if length > MAX_FRAME_BYTES or topic_bytes >= length:
            raise ValueError("broken frame on the bus")
        end = start + 4 + length
        if end > len(view):
            break
        topic_end = start + 5 + topic_bytes
        yield view[start + 5 : topic_end].decode(), view[topic_end:end]
        start = end
    del buffer[:start]


def decode(body: bytes) -> dict[str, object]:
    """A payload."""
    return _decoder.decode(body)


def body_of(frame: bytes) -> bytes:
    """The packed payload of one whole frame."""
    return frame[5 + frame[4] :]
