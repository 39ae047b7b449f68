"""ICAP as a client speaks it: OPTIONS and RESPMOD with preview (RFC 3507). Sans IO; bounded in what it takes from the server.

An object is shown to the server as the body of an HTTP response, in chunks (RFC 9112 §7.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

MAX_HEAD_BYTES = 65_536
LAST_CHUNK = b"0\r\n\r\n"
PREVIEW_WAS_ALL = b"0; ieof\r\n\r\n"

_STATUS = re.compile(r"ICAP/1\.\d (\d{3})(?: (.*))?")
_HTTP_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?", re.S)


class Garbled(ValueError):
    """The server does not speak this protocol, or says more than was asked for."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where to send requests: ``icap://host:port/path``."""

    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"icap://{host}:{self.port}/{self.path}"


@dataclass(slots=True)
class Response:
    """``headers`` have lower-case names; ``http_status`` is that of the encapsulated response, 0 if there is none. ``body`` is
    the encapsulated body, None if there is none."""

    status: int
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    http_status: int = 0
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What OPTIONS said. ``preview_bytes`` None: no preview is wanted. ``at_once`` 0: no limit is told."""

    service: str = ""
    istag: str = ""
    preview_bytes: int | None = None
    allows_204: bool = False
    at_once: int = 0
    ttl_s: float = 3_600.0

    @classmethod
    def of(cls, response: Response) -> Options:
        """From a response to OPTIONS."""
        told = response.headers
        preview = _number(told.get("preview", ""))
        return cls(
            told.get("service", "")[:200],
            told.get("istag", "").strip('"')[:64],
            min(preview, 65_536) if preview is not None else None,
            "204" in re.split(r"[,\s]+", told.get("allow", "")),
            _number(told.get("max-connections", "")) or 0,
            float(min(_number(told.get("options-ttl", "")) or 3_600, 86_400)),
        )


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def options_request(service: Service) -> bytes:
    """The whole request."""
    return (
        f"OPTIONS {service.url} ICAP/1.0\r\nHost: {service.host}\r\nUser-Agent: Posthouse\r\nEncapsulated: null-body=0\r\n\r\n"
    ).encode()


def respmod_head(
    service: Service, *, name: str, content_type: str, size_bytes: int, preview_bytes: int | None, allow_204: bool
) -> bytes:
    """All that stands before the first chunk. ``name`` and ``content_type`` are a stranger's: they cannot break a line."""
    path = quote(name[-200:] or "message", safe="")
    kind = re.sub(r"[^\w/.+-]", "", content_type)[:100] or "application/octet-stream"
    request = f"GET http://mail.invalid/{path} HTTP/1.1\r\nHost: mail.invalid\r\n\r\n".encode("ascii", "replace")
    response = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {size_bytes}\r\n\r\n".encode("ascii", "replace")
    lines = [f"RESPMOD {service.url} ICAP/1.0", f"Host: {service.host}", "User-Agent: Posthouse"]
    if allow_204:
        lines.append("Allow: 204")
    if preview_bytes is not None:
        lines.append(f"Preview: {preview_bytes}")
    lines.append(f"Encapsulated: req-hdr=0, res-hdr={len(request)}, res-body={len(request) + len(response)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + request + response


def chunk(octets: bytes | memoryview) -> bytes:
    """One chunk; of nothing it is nothing, for an empty chunk would be the last."""
    return b"".join((b"%x\r\n" % len(octets), octets, b"\r\n")) if len(octets) else b""


State = Literal["head", "encapsulated", "size", "data", "data end", "trailer", "done"]


class Reading:
    """Takes one response octet by octet: ``feed`` until it says that the response is whole. Raises Garbled."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._waiting = bytearray()
        self._state: State = "head"
        self._response = Response(0)
        self._headers_bytes = 0
        self._chunk_bytes = 0
        self._body = bytearray()

    def feed(self, octets: bytes) -> Response | None:
        """The response, once it is whole; what follows it is nobody's."""
        self._waiting += octets
        while self._state != "done":
            if not self._step():
                return None
        return self._response

    def _step(self) -> bool:
        """One step on; False if more octets are needed."""
        if self._state == "head":
            return self._head()
        if self._state == "encapsulated":
            return self._encapsulated()
        if self._state == "data":
            return self._data()
        line = self._line()
        if line is None:
            return False
        if self._state == "size":
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise Garbled("a chunk without a size")
            self._chunk_bytes = int(match[1], 16)
            if len(self._body) + self._chunk_bytes > self._max_body_bytes:
                raise Garbled("a body larger than what was sent")
            self._state = "data" if self._chunk_bytes else "trailer"
        elif self._state == "data end":
            self._state = "size"
        elif not line:
            self._response.body = bytes(self._body)
            self._state = "done"
        return True

    def _head(self) -> bool:
        end = self._waiting.find(b"\r\n\r\n")
        if end < 0:
            if len(self._waiting) > MAX_HEAD_BYTES:
                raise Garbled("a header without end")
            return False
        lines = bytes(self._waiting[:end]).decode("latin-1").split("\r\n")
        del self._waiting[: end + 4]
        match = _STATUS.fullmatch(lines[0])
        if match is None:
            raise Garbled(f"no ICAP response: {lines[0][:80]!r}")
        self._response = Response(int(match[1]), match[2] or "", _fields(lines[1:]))
        self._headers_bytes, has_body = _sections(self._response.headers.get("encapsulated", ""))
        if not self._headers_bytes and not has_body:
            self._state = "done"
        else:
            self._state = "encapsulated"
            if not has_body:
                self._headers_bytes = -self._headers_bytes
        return True

    def _encapsulated(self) -> bool:
        """The HTTP headers; a negative size says that no body follows them."""
        size = abs(self._headers_bytes)
        if len(self._waiting) < size:
            return False
        match = _HTTP_STATUS.search(bytes(self._waiting[:size]))
        self._response.http_status = int(match[1]) if match else 0
        del self._waiting[:size]
        self._state = "done" if self._headers_bytes < 0 else "size"
        return True

    def _data(self) -> bool:
        taken = min(self._chunk_bytes, len(self._waiting))
        self._body += self._waiting[:taken]
        del self._waiting[:taken]
        self._chunk_bytes -= taken
        if not self._chunk_bytes:
            self._state = "data end"
        return taken > 0 or self._state == "data end"

    def _line(self) -> bytes | None:
        end = self._waiting.find(b"\r\n")
        if end < 0:
            if len(self._waiting) > MAX_HEAD_BYTES:
                raise Garbled("a line without end")
            return None
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 2]
        return line


def _fields(lines: Sequence[str]) -> dict[str, str]:
    """Continuation lines belong to the field before; of several with one name the first counts."""
    out: dict[str, str] = {}
    last = ""
    for line in lines:
        if line[:1] in " \t" and last:
            out[last] += "\n" + line.strip()
            continue
        name, _, value = line.partition(":")
        last = name.strip().lower()
        if last in out:
            last = ""
        else:
            out[last] = value.strip()
    return out


def _sections(encapsulated: str) -> tuple[int, bool]:
    """How long the encapsulated headers are, and whether a body follows (RFC 3507 §4.4.1)."""
    places = {}
    for word in encapsulated.split(","):
        name, _, place = word.strip().partition("=")
        number = _number(place)
        if number is not None:
            places[name.lower()] = number
    size = max(places.values(), default=0)
    if size > MAX_HEAD_BYTES:
        raise Garbled("encapsulated headers without end")
    return size, any(name in places for name in ("res-body", "req-body", "opt-body"))


def infection(headers: Mapping[str, str]) -> tuple[str, bool]:
    """The name of what was found ("" if nothing is said) and whether it was mended: from X-Infection-Found, X-Virus-ID,
    X-Violations-Found and what else servers say (draft-stecher-icap-subid)."""
    name = ""
    mended = False
    if found := headers.get("x-infection-found"):
        values = dict(word.strip().lower().partition("=")[::2] for word in found.split(";"))
        mended = values.get("resolution") == "1"
        threat = re.search(r"threat=([^;]*)", found, re.I)
        name = threat[1].strip() if threat else found
    if not name and (violations := headers.get("x-violations-found")):
        lines = violations.split("\n")
        name = lines[2].strip() if len(lines) > 2 else violations
    for other in ("x-virus-id", "x-virus-name"):
        name = name or headers.get(other, "").strip()
    return name[:200], mended
