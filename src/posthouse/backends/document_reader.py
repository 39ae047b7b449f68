"""Reads attached documents in a process of its own, so that a hostile PDF can take neither time nor memory from anything else.

The process (``document_child``) is started when first needed, limited by the kernel, given one document at a time over a
socket pair, killed when it takes longer than allowed, and ended when it has had nothing to do for a while. Blocking: for the
indexer's thread.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import msgspec

from posthouse.base import log
from posthouse.base.metrics import DOCUMENTS_READ
from posthouse.formats.text.documents import Kind, Unreadable, document_text
from posthouse.formats.text.limits import DEFAULT, TextLimits

REST_S = 60.0
MAX_ANSWER_BYTES = 16 << 20
_HEAD_BYTES = 4

_log = log.get("search")
_encode = msgspec.msgpack.Encoder().encode
_decode_answer = msgspec.msgpack.Decoder(tuple[bool, str]).decode


class DocumentReader:
    """``text`` reads one document. ``limits`` are told to the process with each."""

    def __init__(self, timeout_s: float = 10.0, limits: TextLimits = DEFAULT) -> None:
        self.timeout_s = timeout_s
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._used_at = 0.0

    def text(self, kind: Kind, octets: bytes) -> str:
        """The document's text. Raises Unreadable, also when the process died over it or took too long."""
        if kind == "plain":  # nothing in it to be afraid of
            return document_text(kind, octets, self._limits)
        result = "failed"
        try:
            ok, text = self._ask(_encode((kind, self._limits, octets)))
            result = "read" if ok else "unreadable"
        except (OSError, EOFError, msgspec.DecodeError) as error:
            self.close()
            _log.warning("document-not-read", kind=kind, size_bytes=len(octets), cause=repr(error))
            raise Unreadable("took too long" if isinstance(error, TimeoutError) else "cannot be read") from error
        finally:
            DOCUMENTS_READ.labels(kind, result).inc()
        if not ok:
            raise Unreadable(text)
        return text

    def rest(self) -> None:
        """Ends a process that has had nothing to do for a while."""
        if self._process is not None and time.monotonic() > self._used_at + REST_S:
            self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """The process's number, 0 if there is none."""
        return self._process.pid if self._process is not None else 0

    def _ask(self, request: bytes) -> tuple[bool, str]:
        end = self._start() if self._socket is None else self._socket
        self._used_at = time.monotonic()
        ends_at = self._used_at + self.timeout_s
        end.settimeout(self.timeout_s)
        end.sendall(len(request).to_bytes(_HEAD_BYTES, "big") + request)
        size = int.from_bytes(_receive(end, _HEAD_BYTES, ends_at), "big")
        if size > MAX_ANSWER_BYTES:
            raise EOFError("an answer too large")
        return _decode_answer(_receive(end, size, ends_at))

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "posthouse.backends.document_child"]
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"}
        with theirs:
            far = theirs.fileno()
            self._process = subprocess.Popen(command, stdin=far, stdout=far, stderr=subprocess.DEVNULL, env=environment)
        self._socket = ours
        return ours


def _receive(end: socket.socket, size: int, ends_at: float) -> bytes:
    """Exactly ``size`` octets. Raises TimeoutError, EOFError, OSError."""
    pieces = bytearray()
    while len(pieces) < size:
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the document reader took too long")
        end.settimeout(left_s)
        chunk = end.recv(min(size - len(pieces), 1 << 18))
        if not chunk:
            raise EOFError("the document reader died")
        pieces += chunk
    return bytes(pieces)
