"""One connection to another mail server: octets both ways at once around ``protocols.smtp.client``, TLS where it is offered.

What the server says is read while we still send, so that a refusal in the middle of a message is heard before the connection
breaks. Knows nothing of other connections, of the queue or of what an answer means; ``smtp_out.py`` does.
Sources: RFC 5321 §4.5.3.2 (time-outs), RFC 3207 and RFC 7435 (TLS when offered), RFC 7504 (521).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast

from posthouse.interfaces.courier import Target, Unreachable
from posthouse.protocols.smtp.client import ClientCore, Event, Ready, Refused, TlsReady
from posthouse.protocols.smtp.replies import BadReply

MAX_UNREAD = 1 << 16
NEVER = 521
"""The greeting of a host that takes no mail at all (RFC 7504)."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. ``reply_s`` for a reply, twice that for the verdict on a message; ``whole_s`` for all of a transaction."""

    connect_s: float
    reply_s: float
    whole_s: float


class TlsBroken(Exception):
    """STARTTLS did not work out; clear text may."""


class _Wire(asyncio.Protocol):
    """What came and was not taken yet; whether more may be written; whether and why it ended."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.unread = bytearray()
        self.writable = True
        self.ended = ""
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        if len(self.unread) > MAX_UNREAD and self.transport is not None:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.ended = self.ended or "the connection was closed"
        self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = self.ended or (str(error) if error else "") or "the connection was closed"
        self.writable = False
        self._wake()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._wake()

    def take(self) -> bytes:
        """What came since."""
        data = bytes(self.unread)
        self.unread.clear()
        if len(data) > MAX_UNREAD and self.transport is not None:
            self.transport.resume_reading()
        return data

    async def changed(self, until: float) -> None:
        """Returns when anything has happened. Raises TimeoutError at ``until`` on the loop's clock."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout_at(until):
                await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Link:
    """An open connection; ``core`` is its dialogue, ``sent`` counts messages, ``took`` tells whether one was taken.

    All failures are Unreachable."""

    def __init__(self, core: ClientCore, wire: _Wire, times: Times) -> None:
        self.core = core
        self.sent = 0
        self.took = False
        self.expiry: asyncio.TimerHandle | None = None
        self._wire = wire
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._end_at = 0.0
        self.begin(times)

    @property
    def usable(self) -> bool:
        """Whether another message may be sent over it, as far as one can see."""
        return self.core.idle and not self._wire.ended and not self._wire.unread and self._wire.writable

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The encryption, None in clear text."""
        transport = self._wire.transport
        return cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object")) if transport is not None else None

    def begin(self, times: Times) -> None:
        """A new transaction: its time starts now."""
        self._times = times
        self._end_at = self._loop.time() + times.whole_s

    async def event(self) -> Event:
        """The core's next event, moving octets as needed. Raises Unreachable when the connection fails."""
        core, wire = self.core, self._wire
        try:
            until = self._until()
            while True:
                if wire.unread:
                    core.receive(wire.take())
                    until = self._until()
                if (event := core.next_event()) is not None:
                    return event
                if wire.ended:
                    raise Unreachable(wire.ended)
                if wire.writable and (octets := core.to_send()):
                    self._write(octets)
                    until = self._until()
                    continue
                await wire.changed(until)
        except TimeoutError as error:
            raise Unreachable("no answer in time") from error
        except BadReply as error:
            raise Unreachable(error.cause) from error

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """STARTTLS, handshake and the new greeting. Raises TlsBroken; after a plain refusal the connection is still ``usable``.
        Raises Unreachable if the host does not greet anew."""
        self.core.start_tls()
        try:
            event = await self.event()
        except Unreachable as error:
            raise self._tls_broken(error.cause) from error
        if isinstance(event, Refused):
            raise TlsBroken(f"STARTTLS refused: {event.reply}")
        wire = self._wire
        if not isinstance(event, TlsReady) or wire.unread or wire.transport is None:
            raise self._tls_broken("octets in clear text after STARTTLS")
        try:
            async with asyncio.timeout(self._times.connect_s):
                transport = await self._loop.start_tls(wire.transport, wire, context, server_hostname=host)
        except (TimeoutError, OSError, ValueError) as error:
            raise self._tls_broken(str(error) or "handshake timed out") from error
        if transport is None:
            raise self._tls_broken("the connection ended in the handshake")
        wire.transport = transport
        self.core.tls_started()
        expect_ready(await self.event())

    def _tls_broken(self, cause: str) -> TlsBroken:
        """Between clear text and TLS nothing more can be said."""
        self._wire.ended = cause
        self.abort()
        return TlsBroken(cause)

    def goodbye(self) -> None:
        """QUIT if that is polite now, and close."""
        if self.expiry is not None:
            self.expiry.cancel()
        if self.usable:
            self.core.quit()
            self._write(self.core.to_send())
            self._close()
        else:
            self.abort()

    def abort(self) -> None:
        """Closes at once; nothing more is sent."""
        if self.expiry is not None:
            self.expiry.cancel()
        if self._wire.transport is not None:
            self._wire.transport.abort()

    def _close(self) -> None:
        if self._wire.transport is not None:
            self._wire.transport.close()

    def _write(self, octets: bytes) -> None:
        if self._wire.transport is not None:
            self._wire.transport.write(octets)

    def _until(self) -> float:
        wait_s = self._times.reply_s * (2 if self.core.awaiting_verdict else 1)
        return min(self._loop.time() + wait_s, self._end_at)


async def connect(target: Target, hostname: str, times: Times) -> Link:
    """A connection that is greeted, in clear text. Raises Unreachable; TimeoutError when there was no connection in time."""
    try:
        async with asyncio.timeout(times.connect_s):
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(_Wire, target.address, target.port)
    except TimeoutError:
        raise
    except OSError as error:
        raise Unreachable(f"connection to port {target.port} failed: {error}", silent=True) from error
    link = Link(ClientCore(hostname, lmtp=target.protocol == "lmtp"), wire, times)
    try:
        expect_ready(await link.event())
    except BaseException:
        link.abort()
        raise
    return link


def expect_ready(event: Event) -> None:
    """Raises Unreachable unless the server is ready for mail."""
    if isinstance(event, Ready):
        return
    if isinstance(event, Refused):
        words = "greeted with" if event.stage == "greeting" else f"answered {event.stage.upper()} with"
        never = event.reply.code == NEVER
        raise Unreachable(f"{words} {event.reply}", never=never, pushes_back=not never)
    raise Unreachable("no greeting")
