"""One accepted connection: clear or TLS, compressed or not, with back-pressure and time-outs, as protocol servers see it.

Octets come from the event loop by callbacks and wait in a bounded buffer; the server's coroutine takes them with ``read``.
Writes never block; all those of one turn of the loop go out as one. Time-outs cost nothing per call: a ``Sweeper`` wakes
the late. It knows no mail protocol.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import cast

from posthouse.model.session import Service, TlsFacts
from posthouse.servers.deflate import Deflate
from posthouse.servers.inbox import Inbox
from posthouse.servers.outbox import Outbox
from posthouse.servers.sweeper import NEVER, Sweeper, settle
from posthouse.servers.tls import TlsLayer

CHUNK_BYTES = 65_536
TURN_BYTES = 65_536
HIGH_WATER_BYTES = 262_144
LOW_WATER_BYTES = 65_536
HANDSHAKE_TIMEOUT_S = CLOSE_TIMEOUT_S = 30.0
WRITE_TIMEOUT_S = 180.0
LINGER_S = 2.0


class Connection(asyncio.Protocol):
    """Addresses are the true ones, after PROXY protocol (DEP-6). ``tls`` is None while in clear text.

    One coroutine reads; others may write. Once it is lost, ``read`` and ``drain`` raise OSError and writes are dropped.
    """

    __slots__ = (
        "_closing",
        "_deflate",
        "_end",
        "_error",
        "_flush_due",
        "_handshaking",
        "_inbox",
        "_layer",
        "_loop",
        "_on_event",
        "_outbox",
        "_read_deadline_s",
        "_read_waiter",
        "_reading_paused",
        "_sweeper",
        "_transport",
        "_write_deadline_s",
        "_write_waiter",
        "_writing_paused",
        "client_address",
        "client_port",
        "lost",
        "next_deadline_s",
        "server_address",
        "server_port",
        "service",
        "tls",
    )

    def __init__(self, service: Service, sweeper: Sweeper, on_event: Callable[[Connection], None]) -> None:
        """``on_event`` is called when the connection is made, and again when it is lost (``lost`` tells which)."""
        self.service: Service = service
        self.client_address = ""
        self.client_port = 0
        self.server_address = ""
        self.server_port = 0
        self.tls: TlsFacts | None = None
        self.lost = False
        self.next_deadline_s = NEVER
        self._sweeper = sweeper
        self._on_event = on_event
        self._loop: asyncio.AbstractEventLoop
        self._transport: asyncio.Transport
        self._layer: TlsLayer | None = None
        self._handshaking = False
        self._deflate: Deflate | None = None
        self._inbox = Inbox()
        self._end = False
        self._error: OSError | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._outbox = Outbox()
        self._flush_due = False
        self._closing = False
        self._read_waiter: asyncio.Future[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None
        self._read_deadline_s = NEVER
        self._write_deadline_s = NEVER

    # What protocol servers call

    async def read(self, timeout_s: float) -> bytes:
        """The next chunk, at most 64 KiB; ``b""`` at the end of the stream. What was written goes out before it waits.

        Raises:
            TimeoutError: nothing came for ``timeout_s``.
            OSError: the connection is lost or its TLS is broken.
        """
        while True:
            if self._inbox.size_bytes or self._deflate is not None:
                chunk = self._take() if self._deflate is None else self._inflated(self._deflate)
                if chunk:
                    return chunk
            if not self._inbox.size_bytes:
                if self._end:
                    return b""
                await self._wait_readable(timeout_s)

    def write(self, data: bytes) -> None:
        """Never blocks. Many small writes before the next wait go out together. Dropped once the connection is gone."""
        if self._closing or self.lost:
            return
        self._outbox.put(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush_soon)

    def answer(self, data: bytes) -> None:
        """As ``write``, but at once when nothing waits to go out before it: for the last answer that a client waits for."""
        if self._outbox.pieces or self._layer is not None or self._deflate is not None or self._closing or self.lost:
            self.write(data)
        elif data:
            self._transport.write(data)

    async def drain(self) -> None:
        """Returns at once unless the peer has left more than 256 KiB unread; then waits for it.

        Raises:
            TimeoutError: the peer read too slowly for three minutes.
            OSError: the connection is lost.
        """
        while self._flush():  # noqa: ASYNC110 - a turn for others
            await asyncio.sleep(0)
        if self.lost:
            raise self._error or ConnectionResetError("connection lost")
        if not self._writing_paused:
            return
        if self._write_waiter is None:
            self._write_waiter = self._loop.create_future()
            self._set_write_deadline(self._sweeper.now() + WRITE_TIMEOUT_S)
        await asyncio.shield(self._write_waiter)

    async def start_tls(self, context: ssl.SSLContext, *, implicit: bool = False) -> TlsFacts:
        """The server's side of a TLS handshake, within 30 s.

        To be called right after the write that says so (``220``, ``OK``), without waiting in between. Unread clear-text
        octets are thrown away: they were sent before the handshake and must not count as protected (CVE-2011-0411).
        ``implicit``: unread octets are the client's first TLS record instead.

        Raises:
            TimeoutError: the handshake took too long.
            OSError: it failed (``ssl.SSLError``) or the connection is lost.
        """
        self._flush(whole=True)
        early = self._take_all()
        if not implicit:
            early = b""
        layer = TlsLayer(context)
        self._layer = layer
        self._handshaking = True
        deadline_s = self._sweeper.now() + HANDSHAKE_TIMEOUT_S
        try:
            while not layer.handshake(early):
                self._send(layer.pending())
                if self._end:  # also when the end came before the handshake began
                    raise ConnectionResetError("connection ended in the TLS handshake")
                await self._wait_readable(deadline_s - self._sweeper.now())
                early = self._take_all()
        finally:
            self._handshaking = False
            self._send(layer.pending())
        self.tls = layer.facts()
        self._receive(b"")
        return self.tls

    def acknowledge(self) -> None:
        """Has TCP acknowledge now what came in, for a peer whose next octets wait for that (Nagle, RFC 9293 §3.7.4)."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self.lost:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def start_deflate(self) -> None:
        """Raw DEFLATE both ways from here on (RFC 4978); what was written before goes out uncompressed. Octets that are
        unread by now are taken as compressed."""
        self._flush(whole=True)
        self._deflate = Deflate()

    def close(self) -> None:
        """Sends what was written, says farewell in TLS, closes. If the peer has sent more than was read, the end waits
        up to 2 s for it, so that no reset overtakes our last words (RFC 9293 §3.6.1). Idempotent."""
        if self._closing or self.lost:
            return
        self._flush(whole=True)
        if self._layer is not None and not self._handshaking:
            self._send(self._layer.close_notify())
        self._closing = True
        self._wake_reader(ConnectionAbortedError("connection closed here"))
        if self._inbox.size_bytes and not self._end and self._transport.can_write_eof():
            self._take_all()
            self._transport.write_eof()
            self._set_write_deadline(self._sweeper.now() + LINGER_S)
        else:
            self._transport.close()
            self._set_write_deadline(self._sweeper.now() + CLOSE_TIMEOUT_S)

    def abort(self) -> None:
        """Ends it at once; what was written may be lost."""
        self._closing = True
        if not self.lost:
            self._transport.abort()

    @property
    def closing(self) -> bool:
        """Whether it is closed from here or lost."""
        return self._closing or self.lost

    # What the listener calls

    def unread(self, data: bytes) -> None:
        """Puts octets back in front; for whoever reads a preamble (PROXY protocol)."""
        if data:
            self._inbox.put_back(data)

    def socket_names(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """The socket's own two ends, peer first."""
        peer = self._transport.get_extra_info("peername") or ("", 0)
        own = self._transport.get_extra_info("sockname") or ("", 0)
        return (peer[0], peer[1]), (own[0], own[1])

    # What the sweeper calls

    def overdue(self, now_s: float) -> None:
        """Wakes what has waited too long."""
        if self._read_deadline_s <= now_s:
            self._read_deadline_s = NEVER
            self._wake_reader(TimeoutError("nothing came in time"))
        if self._write_deadline_s <= now_s:
            self._write_deadline_s = NEVER
            if self._closing:
                self.abort()
            elif self._write_waiter is not None:
                self._wake_writer(TimeoutError("the peer reads too slowly"))
        self.next_deadline_s = min(self._read_deadline_s, self._write_deadline_s)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES, LOW_WATER_BYTES)
        self._sweeper.add(self)
        self._on_event(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._layer is None or self._handshaking:
            self._keep(data)
        else:
            self._receive(data)

    def eof_received(self) -> bool:
        """The peer has ended its direction; ours stays open, so that replies still get out."""
        self._end = True
        if self._closing:
            return False
        self._wake_reader(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._sweeper.discard(self)
        self._outbox.clear()
        if self._error is None:
            self._error = exc if isinstance(exc, OSError) else ConnectionResetError("connection lost")
        self._wake_reader(self._error)
        self._wake_writer(self._error)
        self._on_event(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake_writer(None)

    # Inside

    def _receive(self, data: bytes) -> None:
        """Octets for the TLS layer."""
        layer = cast(TlsLayer, self._layer)
        try:
            clear = layer.decrypt(data)
        except ssl.SSLError as error:
            self._send(layer.pending())
            self._error = error
            self._wake_reader(error)
            return
        self._send(layer.pending())
        if clear:
            self._keep(clear)
        if layer.ended and not self._end:
            self._end = True
            self._wake_reader(None)

    def _keep(self, data: bytes) -> None:
        self._inbox.put(data)
        if not self._reading_paused and self._inbox.size_bytes > HIGH_WATER_BYTES:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake_reader(None)

    def _take(self) -> bytes:
        """The first 64 KiB of what came."""
        chunk = self._inbox.take(CHUNK_BYTES)
        if self._reading_paused and self._inbox.size_bytes <= LOW_WATER_BYTES:
            self._resume_reading()
        return chunk

    def _take_all(self) -> bytes:
        data = self._inbox.take_all()
        self._resume_reading()
        return data

    def _inflated(self, deflate: Deflate) -> bytes:
        """Clear octets from what is held; the compressed rest stays where back-pressure sees it. Raises OSError."""
        return deflate.decompress(b"" if deflate.waiting else self._take(), CHUNK_BYTES)

    def _resume_reading(self) -> None:
        if self._reading_paused and not self.lost:
            self._reading_paused = False
            self._transport.resume_reading()

    async def _wait_readable(self, timeout_s: float) -> None:
        if self._error is not None:
            raise self._error
        if self._closing:
            raise ConnectionAbortedError("connection closed here")
        self._flush()
        waiter = self._read_waiter = self._loop.create_future()
        self._read_deadline_s = self._sweeper.now() + timeout_s
        if self._read_deadline_s < self.next_deadline_s:
            self.next_deadline_s = self._read_deadline_s
        try:
            await waiter
        finally:
            self._read_waiter = None
            self._read_deadline_s = NEVER
            self.next_deadline_s = self._write_deadline_s

    def _wake_reader(self, error: Exception | None) -> None:
        if self._read_waiter is not None:
            settle(self._read_waiter, error)

    def _wake_writer(self, error: Exception | None) -> None:
        waiter, self._write_waiter = self._write_waiter, None
        if waiter is None:
            return
        self._set_write_deadline(NEVER)
        settle(waiter, error)

    def _set_write_deadline(self, deadline_s: float) -> None:
        self._write_deadline_s = deadline_s
        self.next_deadline_s = min(self._read_deadline_s, deadline_s)

    def _flush_soon(self) -> None:
        self._flush_due = False
        self._flush()

    def _flush(self, *, whole: bool = False) -> bool:
        """What was written so far, as one; if it must be encrypted or compressed as much as a turn of the loop bears, unless
        ``whole``. Whether there is more: then it follows by itself."""
        if not self._outbox.pieces or self.lost:
            return False
        bounded = not whole and (self._layer is not None or self._deflate is not None)
        data = self._outbox.take(TURN_BYTES) if bounded else self._outbox.take_all()
        if self._deflate is not None:
            data = self._deflate.compress(data)
        try:
            self._transport.write(data if self._layer is None else self._layer.encrypt(data))
        except ssl.SSLError as error:
            self._error = error
            self.abort()
            return False
        if self._outbox.pieces and not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush_soon)
        return bool(self._outbox.pieces)

    def _send(self, octets: bytes) -> None:
        if octets and not self.lost:
            self._transport.write(octets)
