"""The process that reads attached documents: one at a time from its standard input, with nothing it could do harm with.

It has no files of the node, an empty environment, no way to write a file or gain rights, bounded memory, and it dies with
whoever started it. See ``document_reader``.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

import msgspec

from posthouse.formats.text import documents
from posthouse.formats.text.limits import TextLimits

MEMORY_BYTES = 768 << 20
STACK_CALLS = 2_000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_HEAD_BYTES = 4

_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(tuple[documents.Kind, TextLimits, bytes]).decode


def main() -> None:
    """Until the other end closes."""
    confine()
    while head := read(_HEAD_BYTES):
        try:
            kind, limits, octets = _decode_request(read(int.from_bytes(head, "big")))
            answer = (True, documents.document_text(kind, octets, limits))
        except documents.Unreadable as trouble:
            answer = (False, str(trouble))
        packed = _encode((answer[0], answer[1].encode("utf-8", "replace").decode()))
        write(len(packed).to_bytes(_HEAD_BYTES, "big") + packed)


def confine() -> None:
    """What the kernel holds this process to."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what, limit in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (limit, limit))
    sys.setrecursionlimit(STACK_CALLS)


def read(size: int) -> bytes:
    """Exactly ``size`` octets of standard input; fewer at its end."""
    pieces = bytearray()
    while len(pieces) < size:
        chunk = os.read(0, min(size - len(pieces), 1 << 20))
        if not chunk:
            break
        pieces += chunk
    return bytes(pieces)


def write(octets: bytes) -> None:
    """All of it to standard output."""
    view = memoryview(octets)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
