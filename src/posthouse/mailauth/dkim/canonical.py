"""Canonical forms of header fields and bodies (RFC 6376 §3.4). Linear, by ``bytes`` methods that run at memory speed."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

Form = Literal["simple", "relaxed"]

_RUNS = re.compile(rb"  +")
_EMPTY_LINES_REVERSED = re.compile(rb"(?:\n\r)*+")
_UNUSUAL = re.compile(rb"[\x0b\x0c]")
_HALVINGS = 4


def header(form: Form, raw: bytes, value_start: int) -> bytes:
    """A field with its final CRLF. ``value_start`` is where its value begins in ``raw``."""
    return raw if form == "simple" else relaxed_header(raw, value_start)


def relaxed_header(raw: bytes, value_start: int) -> bytes:
    """Name in lower case, folds and runs of white space as one space, none at the ends (RFC 6376 §3.4.2)."""
    name = raw[: raw.index(b":")].rstrip(b" \t").lower()
    return name + b":" + relaxed_value(raw[value_start:]) + b"\r\n"


def relaxed_value(value: bytes) -> bytes:
    """A value alone, without line end."""
    if _UNUSUAL.search(value):  # White space to ``split``, but none to the RFC.
        return _collapsed(value.replace(b"\r\n", b"")).strip(b" ")
    return b" ".join(value.split())


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.4."""
    text = _collapsed(body)
    if b" \r\n" in text:
        text = text.replace(b" \r\n", b"\r\n")
    if text.endswith(b" "):
        text = text[:-1]
    text = text[: _end(text)]
    if not text:
        return b""
    return text if text.endswith(b"\r\n") else text + b"\r\n"


def _collapsed(text: bytes) -> bytes:
    """Runs of spaces and tabs as one space. Each halving costs one pass; what is left of long runs goes in a last one."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    for _ in range(_HALVINGS):
        if b"  " not in text:
            return text
        text = text.replace(b"  ", b" ")
    return _RUNS.sub(b" ", text)


def _end(text: bytes) -> int:
    """Where the text ends when empty lines at its end are left out, one line end kept. Lone CRs and LFs are no line ends."""
    tail = text[len(text.rstrip(b"\r\n")) :]
    match = _EMPTY_LINES_REVERSED.match(tail[::-1])
    end = len(text) - (match.end() if match else 0)
    return min(end + 2, len(text)) if end else 0


class Bodies:
    """The body's hash in each form that signatures ask for, computed once (RFC 6376 §3.7)."""

    __slots__ = ("_body", "_forms", "_hashes")

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._forms: dict[Form, memoryview] = {}
        self._hashes: dict[tuple[Form, int | None], bytes] = {}

    def length(self, form: Form) -> int:
        """Octets of the canonical body."""
        return len(self._canonical(form))

    def sha256(self, form: Form, limit: int | None = None) -> bytes:
        """The hash of the canonical body, or of its first ``limit`` octets."""
        key = (form, limit)
        if key not in self._hashes:
            body = self._canonical(form)
            self._hashes[key] = hashlib.sha256(body if limit is None else body[:limit]).digest()
        return self._hashes[key]

    def _canonical(self, form: Form) -> memoryview:
        if form not in self._forms:
            self._forms[form] = memoryview(relaxed_body(bytes(self._body))) if form == "relaxed" else self._simple()
        return self._forms[form]

    def _simple(self) -> memoryview:
        """RFC 6376 §3.4.3: an empty body is one CRLF."""
        text = bytes(self._body)
        end = _end(text)
        if end == 0 or not text[:end].endswith(b"\r\n"):
            return memoryview(text[:end] + b"\r\n")
        return memoryview(text)[:end]
