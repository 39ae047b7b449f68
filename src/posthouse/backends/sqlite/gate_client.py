"""The workers' end of the gate: many calls under way on one Unix socket to the steward, which has the writing thread.

Writes of one turn of the loop leave together. When the steward restarts, the connection comes back by itself; calls that were
under way raise Temporary, since nobody knows whether they happened (an SMTP client then sends again: a duplicate at worst,
never a loss). Failing closed: without the steward nothing is accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from posthouse.backends.notices import Interest
from posthouse.backends.sqlite.frames import HEADER, WATCH, FrameReader, decode, encode, unpack_error
from posthouse.base import log
from posthouse.base.errors import MailError, Temporary
from posthouse.interfaces.bus import Payload
from posthouse.interfaces.mailstore import Watched

MAX_IN_FLIGHT_BYTES = 32 << 20
MAX_WAITING_TELLS = 10_000
WAIT_S = 5.0
FIRST_RETRY_S = 0.02
MAX_RETRY_S = 1.0
BROKEN = "the connection to the steward broke; whether the unit happened is unknown"


def _nobody(_topic: str, _payload: Payload) -> None:
    return None


class GateClient:
    """One per process, on its event loop; connects at the first call. See ``local_gate.Gate``."""

    def __init__(self, path: Path, on_notice: Callable[[str, Payload], None] = _nobody) -> None:
        """``on_notice`` is given notices of what is watched, by the topics of the bus: ``mailbox``, and ``lost`` when some may
        have been lost."""
        self._path = path
        self._on_notice = on_notice
        self._interest = Interest()
        self._was_up = False
        self._transport: asyncio.Transport | None = None
        self._pending: dict[int, tuple[asyncio.Future[Any], int]] = {}
        self._in_flight = 0
        self._last_id = 0
        self._out: list[bytes] = []
        self._tells: list[bytes] = []
        self._up = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._closing = False
        self._log = log.get("store")

    async def call(self, kind: str, arguments: Any, octets: int = 0) -> Any:
        """The result of the unit or handler ``kind``. Raises its MailError; Temporary past the bound or without the steward."""
        del octets  # the frame's own length is exact
        if self._transport is None:
            await self._wait_until_up()
        self._last_id += 1
        call_id = self._last_id
        frame = encode((call_id, kind, arguments))
        if self._in_flight and self._in_flight + len(frame) > MAX_IN_FLIGHT_BYTES:
            raise Temporary("Too much is being stored at once", cause=f"{self._in_flight} octets are under way")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[call_id] = (future, len(frame))
        self._in_flight += len(frame)
        self._send(frame)
        return await future

    def tell(self, kind: str, payload: Any) -> None:
        """Sends without an answer; while the steward is away a bounded number waits for it."""
        frame = encode((0, kind, payload))
        if self._transport is not None:
            self._send(frame)
            return
        self._begin_connecting()
        if len(self._tells) < MAX_WAITING_TELLS:
            self._tells.append(frame)

    def watch(self, kind: Watched, number: int, *, on: bool) -> None:
        """Also again after the steward was away."""
        self._interest.change(kind, number, on=on)
        if self._transport is not None:
            self._send(encode((0, WATCH, [(kind, number, on)])))
        elif on:
            self._begin_connecting()

    async def close(self) -> None:
        """Sends what waits, then closes; calls under way raise Temporary."""
        self._closing = True
        if self._connecting:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._transport is not None:
            self._flush()
            self._transport.close()
        self._fail_pending()

    # --- sending

    def _send(self, frame: bytes) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out += (HEADER.pack(len(frame)), frame)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(b"".join(out))

    # --- connecting

    async def _wait_until_up(self) -> None:
        self._begin_connecting()
        try:
            await asyncio.wait_for(self._up.wait(), WAIT_S)
        except TimeoutError:
            raise Temporary("The store is not available", cause="the steward does not answer") from None

    def _begin_connecting(self) -> None:
        if self._closing:
            raise Temporary("The store is closing", cause="a call came after close")
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        delay_s = FIRST_RETRY_S
        while self._transport is None:
            try:
                await asyncio.get_running_loop().create_unix_connection(lambda: _Connection(self), str(self._path))
            except OSError:
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, MAX_RETRY_S)
        self._connecting = None

    def connected(self, transport: asyncio.Transport) -> None:
        """Called by the connection."""
        self._transport = transport
        if watched := self._interest.all():
            self._send(encode((0, WATCH, [(kind, number, True) for kind, number in watched])))
            if self._was_up:
                self._on_notice("lost", {})
        self._was_up = True
        tells, self._tells = self._tells, []
        for frame in tells:
            self._send(frame)
        self._up.set()

    def answered(self, call_id: int, result: Any, error: list[Any] | None) -> None:
        """Called by the connection."""
        if not call_id:
            for payload in result:
                self._on_notice("mailbox", payload)
            return
        future, octets = self._pending.pop(call_id)
        self._in_flight -= octets
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(unpack_error(error))

    def lost(self) -> None:
        """Called by the connection."""
        self._transport = None
        self._up.clear()
        self._out.clear()
        self._fail_pending()
        if not self._closing:
            self._log.warning("steward lost")
            self._begin_connecting()

    def _fail_pending(self) -> None:
        pending, self._pending, self._in_flight = self._pending, {}, 0
        for future, _ in pending.values():
            if not future.done():
                failure: MailError = Temporary("The store was interrupted", cause=BROKEN)
                future.set_exception(failure)


class _Connection(asyncio.Protocol):
    def __init__(self, client: GateClient) -> None:
        self._client = client
        self._frames = FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client.connected(cast(asyncio.Transport, transport))  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        answered = self._client.answered
        for frame in self._frames.feed(data):
            answered(*decode(frame))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._client.lost()
