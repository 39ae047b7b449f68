"""A worker's end of outbound delivery: takes messages from the steward over a Unix socket and hands them to other hosts.

So mail leaves by as many processes as there are workers, while the steward schedules and writes down. The worker keeps nothing:
when the steward is gone, what is under way for it is broken off, since nobody would write down what came of it. The socket lies
in a folder of mode 0700 and has mode 0600: who can connect can send mail.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import msgspec

from posthouse.backends import courier_frames as frames
from posthouse.backends.sqlite.frames import FrameReader
from posthouse.base import log
from posthouse.interfaces.courier import Answer, Courier, Parcel, Target, Unreachable
from posthouse.model.tls_policy import TlsResult

FAILED = Answer(450, "450 4.3.0 An internal error; the log says more")

_log = log.get("courier")


class CourierServer:
    """``start`` it, ``tell`` how TLS went, ``close`` it. ``courier`` is who goes to other hosts."""

    def __init__(self, path: Path, courier: Courier) -> None:
        self.courier = courier
        self.closing = False
        self.connections: set[_Connection] = set()
        self._path = path
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Begins to listen; a socket that a crash left behind is replaced. Raises OSError."""
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self, loop), str(self._path))
        self._path.chmod(0o600)

    def tell(self, result: TlsResult) -> None:
        """What came of a session with a host that is under a policy, for reports. It may be lost."""
        for connection in self.connections:
            connection.send(frames.told(result))

    async def close(self, wait_s: float) -> None:
        """Takes no more, and waits for what is under way: the steward hangs up when it has all its answers."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        for connection in self.connections:
            connection.send(frames.closing())
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await asyncio.gather(*(connection.gone.wait() for connection in self.connections))
        for connection in list(self.connections):
            connection.close()
        await self.courier.close()


class _Connection(asyncio.Protocol):
    """The steward's."""

    def __init__(self, server: CourierServer, loop: asyncio.AbstractEventLoop) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.gone = asyncio.Event()
        self._server = server
        self._loop = loop
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._server.connections.discard(self)
        self.gone.set()
        for task in self.tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                number, target, parcel = frames.read_request(frame)
                if self._server.closing:
                    self.send(frames.failed(number, None))
                else:
                    task = self._loop.create_task(self._deliver(number, target, parcel))
                    self.tasks.add(task)
                    task.add_done_callback(partial(self._ended, number, len(parcel.recipients)))
        except (ValueError, TypeError, msgspec.DecodeError) as error:
            _log.error("courier frame", error=repr(error))
            self.close()

    async def _deliver(self, number: int, target: Target, parcel: Parcel) -> None:
        try:
            frame = frames.answered(number, await self._server.courier.deliver(target, parcel))
        except Unreachable as error:
            frame = frames.failed(number, error)
        self.send(frame)

    def _ended(self, number: int, recipients: int, task: asyncio.Task[None]) -> None:
        """What failed in an unforeseen way is answered too, to be tried again: else its message would be under way for ever."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("courier-failed", error=repr(error), exc_info=error)
            self.send(frames.answered(number, [FAILED] * recipients))

    def send(self, frame: bytes) -> None:
        """Leaves at the end of the loop's turn, with others."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(b"".join(out))

    def close(self) -> None:
        """Sends what is there and ends; what is under way is broken off."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
