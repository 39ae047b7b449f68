"""How the steward asks a worker to hand over mail, and what it hears back: frames of msgpack (``sqlite/frames.py``).

The steward sends ``[number, target, sender, recipients, content]``; the worker answers ``[number, answers, failure]``, and by
number 0 tells what concerns no single request: how TLS went with a host (for reports), or that it closes. Both ends are this
same program, started together, so there is no version in it. Knows nothing of sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec

from posthouse.backends.sqlite.frames import HEADER
from posthouse.backends.sqlite.parcels import pack_recipient, pack_sender, unpack_recipient, unpack_sender
from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.tls_policy import TlsResult

REFUSED = "refused"
"""The failure of a request that the worker did not begin: it is about to end."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_requests = msgspec.msgpack.Decoder(tuple[int, Target, bytes, list[bytes], bytes])
_results = msgspec.msgpack.Decoder(TlsResult)
Failure = Literal["refused"] | tuple[str, bool, str, bool, bool]


def request(number: int, target: Target, parcel: Parcel) -> bytes:
    """One frame with its header."""
    recipients = [pack_recipient(recipient) for recipient in parcel.recipients]
    return _framed((number, target, pack_sender(parcel.sender), recipients, parcel.content))


def read_request(frame: memoryview) -> tuple[int, Target, Parcel]:
    """Raises msgspec.DecodeError, ValueError."""
    number, target, sender, recipients, content = _requests.decode(frame)
    return number, target, Parcel(unpack_sender(sender), tuple(map(unpack_recipient, recipients)), content)


def answered(number: int, answers: Sequence[Answer]) -> bytes:
    """One frame with its header."""
    return _framed((number, [(each.code, each.text, each.notifies, each.final, each.by) for each in answers], None))


def failed(number: int, error: Unreachable | None) -> bytes:
    """Not handed over; None: not even tried."""
    if error is None:
        return _framed((number, None, REFUSED))
    return _framed((number, None, (error.cause, error.never, error.lacking, error.silent, error.pushes_back)))


def told(result: TlsResult) -> bytes:
    """How TLS went."""
    return _framed((0, msgspec.msgpack.encode(result), None))


def closing() -> bytes:
    """The worker takes no more requests, and answers those that it has."""
    return _framed((0, None, None))


def read_answer(frame: memoryview) -> tuple[int, list[Answer] | TlsResult | None, Unreachable | Literal["refused"] | None]:
    """The number and what was answered. With number 0: a result of TLS, or None when the worker closes. Raises
    msgspec.DecodeError, ValueError, TypeError."""
    number, result, failure = _decode(frame)
    if not number:
        return 0, None if result is None else _results.decode(result), None
    if result is not None:
        return number, [Answer(*each) for each in result], None
    return number, None, _failure(failure)


def _failure(packed: Any) -> Unreachable | Literal["refused"]:
    if packed == REFUSED:
        return "refused"
    cause, never, lacking, silent, pushes_back = packed
    lacks = cast(Literal["", "5.7.10", "5.7.30"], lacking)
    return Unreachable(cause, never=never, lacking=lacks, silent=silent, pushes_back=pushes_back)


def _framed(value: object) -> bytes:
    octets = _encode(value)
    return HEADER.pack(len(octets)) + octets
