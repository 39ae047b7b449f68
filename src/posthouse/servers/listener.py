"""Takes connections from a listening socket to a protocol server: limits, PROXY protocol, TLS, one task each, drain.

One ``Listener`` per service and process; all processes share the socket, and the kernel gives each connection to one of
those that wait for it. What is refused here costs no task and no TLS handshake. It knows which services begin with TLS
and how each says that it is busy, nothing else of their protocols.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from posthouse.base import log
from posthouse.base.metrics import CONNECTIONS, OPEN, REFUSED
from posthouse.model.networks import client_key, is_loopback, network_list
from posthouse.model.session import Service
from posthouse.model.settings import Settings
from posthouse.servers.connection import Connection
from posthouse.servers.proxy_protocol import BadHeader, ProxyHeader, parse
from posthouse.servers.sweeper import Sweeper

BACKLOG = 1024
PROXY_TIMEOUT_S = 10.0
ADMIN_MAX_CONNECTIONS = 100
HTTP_MAX_CONNECTIONS = 1000
DNSBL_MAX_CONNECTIONS = 200
TURNED_AWAY_S = 0.1
MAX_TURNED_AWAY = 10_000
TLS_FROM_START = frozenset({"submissions", "imaps", "pop3s", "https", "admins"})
COUNTED_BY_ADDRESS = frozenset({"smtp", "submission", "submissions"})

_log = log.get("listener")
_SMTP_BUSY = b"421 4.3.2 Too many connections, try again later\r\n"
_IMAP_BUSY = b"* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
_POP_BUSY = b"-ERR [SYS/TEMP] Too many connections, try again later\r\n"
_SIEVE_BUSY = b'BYE (TRYLATER) "Too many connections, try again later"\r\n'
_HTTP_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_BUSY = {
    "imap": _IMAP_BUSY,
    "pop3": _POP_BUSY,
    "managesieve": _SIEVE_BUSY,
    "http": _HTTP_BUSY,
    "dnsbl": b"",
    "admin": b"* BYE Too many connections\r\n",
}


class Door(asyncio.Protocol):
    """Where every connection of a listener comes in: one object for all of them, since it keeps nothing of any."""

    def __init__(self, knocked: Callable[[asyncio.Transport], None]) -> None:
        self._knocked = knocked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._knocked(cast(asyncio.Transport, transport))


class Server(Protocol):
    """A protocol server."""

    async def handle(self, connection: Connection) -> None:
        """One session; the connection is closed when this returns."""
        ...

    def drain(self) -> None:
        """Asks its open sessions to end at their next command boundary, idle ones at once."""
        ...


@runtime_checkable
class EndsAccounts(Protocol):
    """A protocol server whose sessions belong to accounts."""

    def end_account(self, account_id: int) -> None:
        """Ends all sessions of an account at their next command boundary, idle ones at once."""
        ...


@dataclass(frozen=True, slots=True)
class Gate:
    """What a listener asks before it serves. ``full(address)``: whether that client has too many."""

    settings: Callable[[], Settings]
    tls_context: Callable[[], ssl.SSLContext | None]
    full: Callable[[str], bool]


class Listener:
    """``open`` is the number of connections whose socket or task is still there."""

    def __init__(self, service: Service, server: Server, gate: Gate, sweeper: Sweeper) -> None:
        self.service: Service = service
        self._server = server
        self._gate = gate
        self._sweeper = sweeper
        self._implicit_tls = service in TLS_FROM_START
        self._busy = _BUSY.get(service, _SMTP_BUSY)
        self._turned_away: dict[str, float] = {}
        self._tasks: dict[Connection, asyncio.Task[None] | None] = {}
        self._networks: dict[Connection, str] = {}
        self._places: Counter[str] = Counter()
        self._sockets: list[asyncio.Server] = []
        self._nobody: asyncio.Event | None = None
        self._accepted = CONNECTIONS.labels(service)
        self._opened = OPEN.labels(service)
        self._refused = REFUSED.labels(service)

    @property
    def open(self) -> int:
        return len(self._tasks)

    async def start(self, sock: socket.socket) -> None:
        """Accepts on a socket that is bound already."""
        loop = asyncio.get_running_loop()
        door = Door(self._knocked)
        self._sockets.append(await loop.create_server(lambda: door, sock=sock, backlog=BACKLOG))

    def stop_accepting(self) -> None:
        """New connections go to other processes, or wait for the next node on this socket."""
        for server in self._sockets:
            server.close()
        self._sockets.clear()

    def drain(self) -> None:
        """Accepts no more, and asks sessions to end."""
        self.stop_accepting()
        self._server.drain()

    async def closed(self, timeout_s: float) -> None:
        """Waits until no connection is open, at most ``timeout_s``."""
        self._nobody = asyncio.Event()
        if self._tasks:
            try:
                await asyncio.wait_for(self._nobody.wait(), max(0.0, timeout_s))
            except TimeoutError:
                return

    def cancel(self) -> None:
        """Ends all sessions at once; the last resort of a drain that took too long."""
        for connection, task in list(self._tasks.items()):
            connection.abort()
            if task is not None:
                task.cancel()

    def _knocked(self, transport: asyncio.Transport) -> None:
        """A client has connected: turned away at once if it was a moment ago, else given a Connection."""
        if self._turned_away:
            address = _plain((transport.get_extra_info("peername") or ("",))[0])
            until_s = self._turned_away.get(address, 0.0)
            if until_s > self._sweeper.now():
                self._accepted.inc()
                self._refused.inc()
                if not self._implicit_tls:
                    transport.write(self._busy)
                transport.close()
                return
        connection = Connection(self.service, self._sweeper, self._on_event)
        transport.set_protocol(connection)
        connection.connection_made(transport)

    def _on_event(self, connection: Connection) -> None:
        if connection.lost:
            if connection in self._tasks and self._tasks[connection] is None:
                self._forget(connection)
        else:
            self._admit(connection)

    def _admit(self, connection: Connection) -> None:
        """Refuses, or starts the session's task."""
        (address, port), (own_address, own_port) = connection.socket_names()
        connection.client_address, connection.client_port = _plain(address), port
        connection.server_address, connection.server_port = _plain(own_address), own_port
        settings = self._gate.settings()
        full = len(self._tasks) >= max_connections(self.service, settings)
        self._tasks[connection] = None
        self._accepted.inc()
        self._opened.inc()
        proxied = connection.client_address in network_list(settings.smtp.proxy_networks)
        counted_out = not proxied and self._counted_out(connection)
        if counted_out:
            self._turn_away(connection.client_address)
        if full or counted_out or (not proxied and self._has_its_share(connection)):
            self._refuse(connection)
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection, proxied))
        self._tasks[connection] = task

    async def _serve(self, connection: Connection, proxied: bool) -> None:  # noqa: FBT001
        try:
            if proxied:
                await self._take_header(connection)
                if self._counted_out(connection) or self._has_its_share(connection):
                    self._refuse(connection)
                    return
            if self._implicit_tls:
                context = self._gate.tls_context()
                if context is None:
                    return
                await connection.start_tls(context, implicit=True)
            await self._server.handle(connection)
        except BadHeader as error:
            _log.warning("bad-proxy-header", service=self.service, client=connection.client_address, why=str(error))
        except OSError as error:
            _log.debug("connection-lost", service=self.service, client=connection.client_address, why=str(error))
        except Exception:
            _log.exception("session-failed", service=self.service, client=connection.client_address)
        finally:
            connection.close()
            self._forget(connection)

    async def _take_header(self, connection: Connection) -> None:
        """Reads the PROXY header, sets the true ends. Raises BadHeader, OSError."""
        held = b""
        deadline_s = self._sweeper.now() + PROXY_TIMEOUT_S
        while True:
            chunk = await connection.read(deadline_s - self._sweeper.now())
            if not chunk:
                raise BadHeader("connection ended in the PROXY header") if held else ConnectionResetError("no PROXY header")
            held += chunk
            header = parse(held)
            if header is not None:
                break
        connection.unread(held[header.size_bytes :])
        _apply(connection, header)

    def _counted_out(self, connection: Connection) -> bool:
        return self.service in COUNTED_BY_ADDRESS and self._gate.full(connection.client_address)

    def _has_its_share(self, connection: Connection) -> bool:
        """Gives the connection one of its network's places, unless that has half of them all already: nobody keeps all others
        out alone. For SMTP that is for the settings to say (NET-1); this machine and trusted networks are exempt."""
        settings, address = self._gate.settings(), connection.client_address
        exempt = self.service in COUNTED_BY_ADDRESS or is_loopback(address)
        if exempt or address in network_list(settings.smtp.trusted_networks):
            return False
        network = client_key(address)
        if self._places[network] >= max_connections(self.service, settings) // 2:
            return True
        self._places[network] += 1
        self._networks[connection] = network
        return False

    def _turn_away(self, address: str) -> None:
        """Who has too many connections is not asked about again for a moment; so a flood costs next to nothing (NET-1)."""
        if len(self._turned_away) >= MAX_TURNED_AWAY:
            self._turned_away.clear()
        self._turned_away[address] = self._sweeper.now() + TURNED_AWAY_S

    def _refuse(self, connection: Connection) -> None:
        self._refused.inc()
        if not self._implicit_tls:
            connection.write(self._busy)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._tasks:
            del self._tasks[connection]
            self._opened.dec()
            if (network := self._networks.pop(connection, "")) and self._places[network] <= 1:
                del self._places[network]
            elif network:
                self._places[network] -= 1
            if self._nobody is not None and not self._tasks:
                self._nobody.set()


def max_connections(service: Service, settings: Settings) -> int:
    """How many connections of a service one process serves at a time: a budget of its own for each."""
    if service in ("imap", "imaps"):
        return settings.imap.max_connections
    if service in ("pop3", "pop3s"):
        return settings.pop.max_connections
    if service == "managesieve":
        return settings.sieve.max_connections
    if service in ("admin", "admins"):
        return ADMIN_MAX_CONNECTIONS
    if service in ("http", "https"):
        return HTTP_MAX_CONNECTIONS
    if service == "dnsbl":
        return DNSBL_MAX_CONNECTIONS
    return settings.smtp.max_connections


def _apply(connection: Connection, header: ProxyHeader) -> None:
    if header.source is not None and header.destination is not None:
        connection.client_address, connection.client_port = _plain(header.source[0]), header.source[1]
        connection.server_address, connection.server_port = _plain(header.destination[0]), header.destination[1]


def _plain(address: str) -> str:
    """An IPv4-mapped IPv6 address as IPv4."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address
