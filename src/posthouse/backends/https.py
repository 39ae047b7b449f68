"""HTTPS to other sites by httpx2 (interfaces/web_fetch.py). Names are looked up by the node's own resolver, and what leads to
this machine or into its network is not asked: strangers name these hosts (MTA-STS, report addresses).
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote, urlencode, urlsplit

import httpx2

from posthouse.base.errors import Permanent, Temporary
from posthouse.base.settings import without_passwords
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.web_fetch import NotAsked

TIMEOUT_S = 30.0
OF_FORM = frozenset({400, 413, 422})  # RFC 9110 §15.5
ANSWER_BYTES = 64 << 10


class HttpsFetch:
    """``own_network()`` tells whether addresses of this machine and of private networks may be asked; ``ca_file()`` names a
    file of trusted certificates, "" for the system's."""

    def __init__(self, resolver: Resolver, own_network: Callable[[], bool], ca_file: Callable[[], str]) -> None:
        self._resolver = resolver
        self._own_network = own_network
        self._ca_file = ca_file

    async def get(self, host: str, path: str, *, limit_bytes: int) -> bytes:
        return await self._ask("GET", f"https://{host}{path}", b"", {}, limit_bytes)

    async def get_url(self, url: str, limit_bytes: int) -> bytes:
        """The body of an ``https:`` address that an administrator named. Raises Temporary."""
        return await self._ask("GET", url, b"", {}, limit_bytes)

    async def post(self, url: str, body: bytes, content_type: str) -> None:
        await self._ask("POST", url, body, {"Content-Type": content_type}, ANSWER_BYTES)

    async def ask_form(self, url: str, fields: Mapping[str, str], limit_bytes: int) -> bytes:
        """What a form is answered; a user and a password in the URL go along (RFC 7617). Raises Temporary, and Permanent if
        the site is well and does not take what the form says."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        parts = urlsplit(url)
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(login).decode()
        try:
            return await self._ask("POST", url, urlencode(fields).encode(), headers, limit_bytes)
        except Temporary as error:
            if isinstance(error.__cause__, _NotTaken):
                raise Permanent("The other site does not take this", cause=error.cause) from error
            raise

    async def _ask(self, method: str, url: str, body: bytes, more: Mapping[str, str], limit_bytes: int) -> bytes:
        try:
            parts = urlsplit(url)
            host, port, path = parts.hostname, parts.port or 443, parts.path + (f"?{parts.query}" if parts.query else "")
        except ValueError as error:  # strangers publish these
            raise Temporary("Not an https address", cause=f"{without_passwords(url)[:200]!r}") from error
        if parts.scheme != "https" or not host:
            raise Temporary("Not an https address", cause=without_passwords(url))
        path = path if path.startswith("/") else f"/{path}"
        try:
            async with asyncio.timeout(TIMEOUT_S):
                address = await self._address(host)
                async with httpx2.AsyncClient(verify=await self._context(), follow_redirects=False, trust_env=False) as client:
                    headers = {"Host": host if port == 443 else f"{host}:{port}", "User-Agent": "Posthouse", **more}
                    at = f"[{address}]" if ":" in address else address
                    request = client.build_request(method, f"https://{at}:{port}{path}", content=body or None, headers=headers)
                    request.extensions["sni_hostname"] = host
                    response = await client.send(request, stream=True)
                    try:
                        return await _body(response, limit_bytes)
                    finally:
                        await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ssl.SSLError, ValueError) as error:
            raise Temporary("The other site does not answer", cause=f"https://{host}{path}: {error!r}") from error

    async def _address(self, host: str) -> str:
        for address in await self._addresses(host):
            if self._own_network() or ipaddress.ip_address(address).is_global:
                return address
        raise NotAsked("The other site does not answer", cause=f"{host} has no public address")

    async def _addresses(self, host: str) -> Sequence[str]:
        literal = _literal(host)
        return [literal] if literal else await self._resolver.addresses(host)

    async def _context(self) -> ssl.SSLContext:
        file = self._ca_file()
        return await asyncio.to_thread(lambda: ssl.create_default_context(cafile=file or None))


def _literal(host: str) -> str:
    """The address that a host is itself, without DNS (RFC 6761 §6.3 for localhost); "" if it is a name."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


class _NotTaken(ValueError):
    """An answer that is about what was asked, not about the site."""


async def _body(response: httpx2.Response, limit_bytes: int) -> bytes:
    if not 200 <= response.status_code < 300:
        kind = _NotTaken if response.status_code in OF_FORM else ValueError
        raise kind(f"the answer is {response.status_code}")
    out = bytearray()
    async for chunk in response.aiter_bytes():
        out += chunk
        if len(out) > limit_bytes:
            raise ValueError(f"the answer is longer than {limit_bytes} octets")
    return bytes(out)
