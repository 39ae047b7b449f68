"""The client's side of HTTP: one connection, kept while it is fresh; bounded answers; secrets never in clear text to others."""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from posthouse.client.errors import ApiError, NotReached, of_problem

MAX_ANSWER_BYTES = 256 << 20
FRESH_S = 10.0
"""An idle connection is not used again after that: the server ends it after 15 s, and nothing must be asked twice."""


class Wire:
    """``login`` is user and password; either it or ``token``, or neither for what needs no login."""

    def __init__(
        self, url: str, token: str, login: tuple[str, str] | None, tls: ssl.SSLContext | None, timeout_s: float
    ) -> None:
        parts = urlsplit(url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.path.rstrip("/")
            or parts.query
            or parts.username
        ):
            raise ValueError("the URL is https://HOST or https://HOST:PORT")
        self._secure = parts.scheme == "https"
        if not self._secure and (token or login) and not _is_loopback(parts.hostname):
            raise ValueError("passwords and tokens go over https only, but for this machine itself")
        self._host, self._port = parts.hostname, parts.port
        self._tls = tls or (ssl.create_default_context() if self._secure else None)
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif login:
            self._headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def get(self, path: str) -> Any:
        """What stands at ``path``, as JSON. Raises ApiError."""
        return _value(self._answer("GET", path, None))

    def post(self, path: str, arguments: Mapping[str, object]) -> Any:
        """What the operation gives. Raises ApiError."""
        return _value(self._answer("POST", path, arguments))

    def rows(self, path: str, arguments: Mapping[str, object]) -> Iterator[Any]:
        """The rows of a list, one after the other. Raises ApiError."""
        answer = self._answer("POST", path, arguments, Accept="application/x-ndjson")
        for line in answer.splitlines():
            yield json.loads(line)

    def close(self) -> None:
        """Ends the connection; another request opens one again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, method: str, path: str, arguments: Mapping[str, object] | None, **headers: str) -> bytes:
        body = json.dumps(arguments).encode() if arguments is not None else None
        try:
            connection = self._connected()
            connection.request(method, path, body, self._headers | headers)
            response = connection.getresponse()
            octets = response.read(MAX_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotReached(f"{type(error).__name__}: {error}") from error
        self._used_at = time.monotonic()
        if len(octets) > MAX_ANSWER_BYTES:
            self.close()
            raise ApiError("the answer is too long", status=response.status)
        if response.status != 200:
            raise of_problem(response.status, _problem(octets), response.headers.get("Retry-After") or "")
        return octets

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is not None and time.monotonic() - self._used_at > FRESH_S:
            self.close()
        if self._connection is None:
            if self._secure:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=self._tls
                )
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return self._connection


def _value(octets: bytes) -> Any:
    try:
        return json.loads(octets)
    except ValueError:
        raise ApiError("the answer is no JSON: is this the right server?") from None


def _problem(octets: bytes) -> Mapping[str, object]:
    found: object = None
    with contextlib.suppress(ValueError):
        found = json.loads(octets)
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
