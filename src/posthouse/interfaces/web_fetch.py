"""HTTPS to other sites, for small things: policies to read, reports to hand in. Certificates are checked by name."""

from __future__ import annotations

from typing import Protocol

from posthouse.base.errors import Temporary


class NotAsked(Temporary):
    """The host lies in this machine or in a private network, where nobody is sent by strangers."""


class WebFetch(Protocol):
    """No redirects are followed. Raises Temporary when there is no answer in time, a certificate that does not hold, an answer
    other than 2xx, or one that is longer than allowed."""

    async def get(self, host: str, path: str, *, limit_bytes: int) -> bytes:
        """The body of ``https://host/path``."""
        ...

    async def post(self, url: str, body: bytes, content_type: str) -> None:
        """Hands a body in at an ``https:`` address."""
        ...
