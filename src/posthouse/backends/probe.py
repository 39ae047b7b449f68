"""Looking at the surroundings over real sockets and files (interfaces/probe.py)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from posthouse.backends.disk import try_disk
from posthouse.backends.dns_client import Server, ways_to
from posthouse.backends.probe_tls import MailTls
from posthouse.base.errors import Temporary
from posthouse.interfaces.probe import Disk, ServedTls
from posthouse.interfaces.resolver import Resolver
from posthouse.model.tls_policy import Tlsa

CONNECT_S = 5.0
GREETING_S = 3.0
NTP_PORT = 123
_NTP_EPOCH = 2_208_988_800


class SystemProbe:
    """``data`` is the node's data folder, ``name`` how it greets, ``servers()`` its name servers; ``own_network`` and
    ``ca_file`` are as ``HttpsFetch`` takes them."""

    def __init__(
        self,
        data: Path,
        resolver: Resolver,
        name: str = "localhost",
        servers: Callable[[], Sequence[str]] = tuple,
        own_network: Callable[[], bool] = bool,
        ca_file: Callable[[], str] = str,
    ) -> None:
        self._data = data
        self._resolver = resolver
        self._servers = servers
        self._tls = MailTls(resolver, name, own_network, ca_file)

    async def greeting(self, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(await self._address(host), port)
        except (OSError, TimeoutError) as error:
            raise Temporary("No connection", cause=f"{host}:{port}: {str(error) or 'timed out'}") from error
        try:
            async with asyncio.timeout(GREETING_S):
                return (await reader.readline())[:512].decode("utf-8", "replace").strip()
        except (OSError, TimeoutError, ValueError):
            return ""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def mail_tls(
        self, host: str, records: Sequence[Tlsa], names: Sequence[str], allowed: Sequence[str] = ()
    ) -> ServedTls:
        return await self._tls.look(host, records, names, allowed)

    async def name_servers(self) -> Sequence[tuple[str, bool, bool]]:
        return await asyncio.gather(*(self._ways_to(server) for server in self._servers()))

    async def _ways_to(self, server: str) -> tuple[str, bool, bool]:
        return (server, *await ways_to(Server.of(server), CONNECT_S))

    async def clock_offset(self, server: str) -> float:
        host, _, port = server.partition(":")
        address = await self._address(host)
        try:
            return await asyncio.to_thread(_ask_time, address, int(port or NTP_PORT))
        except (OSError, ValueError, struct.error) as error:
            raise Temporary("No answer from the time server", cause=f"{server}: {str(error) or 'timed out'}") from error

    async def disk(self) -> Disk:
        try:
            return await asyncio.to_thread(try_disk, self._data)
        except OSError as error:
            raise Temporary("The disk cannot be tried", cause=str(error)) from error

    async def _address(self, host: str) -> str:
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except OSError:
            found = await self._resolver.addresses(host)
            if not found:
                raise Temporary("No such host", cause=f"{host} has no address") from None
            return sorted(found, key=lambda address: ":" in address)[0]
        return host


def _ask_time(address: str, port: int) -> float:
    """One exchange of RFC 5905 §8: the offset is the mean of both ways' differences."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(CONNECT_S)
        peer.connect((address, port))
        sent = time.time()
        peer.send(b"\x23" + b"\0" * 39 + struct.pack(">II", int(sent) + _NTP_EPOCH, int(sent % 1 * 2**32)))
        answer = peer.recv(512)
        received = time.time()
    if len(answer) < 48 or answer[0] & 7 != 4 or not answer[1]:
        raise ValueError("not an answer of a server that knows the time")
    theirs: list[float] = [seconds - _NTP_EPOCH + part / 2**32 for seconds, part in struct.iter_unpack(">II", answer[32:48])]
    return ((sent - theirs[0]) + (received - theirs[1])) / 2
