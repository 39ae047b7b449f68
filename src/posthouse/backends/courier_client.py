"""The steward's courier: gives messages to the workers (``courier_server.py``), which hand them to other hosts in parallel.

A busy destination is spread evenly, and a quiet one goes to the same worker again, so that connections are used again and there
are no more of them than the queue allows, give or take one for each worker. What is large, what comes while no worker is there,
and probes go by the steward's own courier. When a worker dies, nobody knows how far its messages got: they are answered 4xx, so
that each comes twice at worst, never not at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast
from zlib import crc32

import msgspec

from posthouse.backends import courier_frames as frames
from posthouse.backends.sqlite.frames import FrameReader
from posthouse.base import log
from posthouse.interfaces.courier import Answer, Courier, Parcel, Target, Unreachable
from posthouse.model.envelope import Recipient
from posthouse.model.tls_policy import TlsResult

LARGE_BYTES = 256 << 10
"""A message from here on would keep other requests waiting on its way to the worker."""
RETRY_S = 1.0
"""A worker that does not answer is not asked again within this time."""
LOST = Answer(450, "450 4.4.2 The process that handed it over ended")

_log = log.get("courier")


class WorkersCourier:
    """See ``interfaces.courier``. ``paths`` are the workers' sockets; ``report`` hears how TLS went with hosts under a
    policy."""

    def __init__(self, own: Courier, paths: Sequence[Path], report: Callable[[TlsResult], None]) -> None:
        self._own = own
        self._workers = [_Worker(path, report) for path in paths]
        self._busy: Counter[tuple[int, str, int]] = Counter()

    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        found = self._chosen(target) if len(parcel.content) < LARGE_BYTES else None
        if found is None:
            return await self._own.deliver(target, parcel)
        worker, key = found
        self._busy[key] += 1
        try:
            answers = await worker.deliver(target, parcel)
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]
        return await self._own.deliver(target, parcel) if answers is None else answers

    async def probe(self, target: Target, recipient: Recipient) -> Answer:
        return await self._own.probe(target, recipient)

    async def close(self) -> None:
        for worker in self._workers:
            worker.close()
        await self._own.close()

    def _chosen(self, target: Target) -> tuple[_Worker, tuple[int, str, int]] | None:
        """The worker that has least under way for this host; of equal ones, always the same for one host."""
        count = len(self._workers)
        first = crc32(target.address.encode(), target.port)
        best: tuple[int, tuple[int, str, int]] | None = None
        for place in range(count):
            number = (first + place) % count
            if self._workers[number].is_up():
                key = (number, target.address, target.port)
                if best is None or self._busy[key] < best[0]:
                    best = (self._busy[key], key)
        return None if best is None else (self._workers[best[1][0]], best[1])


class _Worker:
    """The connection to one worker; comes up by itself, and again after it was lost."""

    def __init__(self, path: Path, report: Callable[[TlsResult], None]) -> None:
        self._path = path
        self._report = report
        self._transport: asyncio.Transport | None = None
        self._taking = False
        self._pending: dict[int, tuple[asyncio.Future[Sequence[Answer] | None], int]] = {}
        self._last = 0
        self._out: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._next_try = 0.0
        self._closed = False

    def is_up(self) -> bool:
        """Whether it takes messages. If not, a connection is begun now and then."""
        if not self._taking and self._connecting is None and not self._closed:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._next_try:
                self._next_try = loop.time() + RETRY_S
                self._connecting = loop.create_task(self._connect())
        return self._taking

    async def deliver(self, target: Target, parcel: Parcel) -> Sequence[Answer] | None:
        """None: it did not begin. Raises Unreachable."""
        loop = asyncio.get_running_loop()
        self._last += 1
        future: asyncio.Future[Sequence[Answer] | None] = loop.create_future()
        self._pending[self._last] = (future, len(parcel.recipients))
        if not self._out:
            loop.call_soon(self._flush)
        self._out.append(frames.request(self._last, target, parcel))
        return await future

    def close(self) -> None:
        """What is under way is given up."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._flush()
            self._transport.close()

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: _Connection(self), str(self._path))
        except OSError:
            return  # it is not there yet, or not any more
        finally:
            self._connecting = None

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(b"".join(out))

    # --- what the connection calls

    def connected(self, transport: asyncio.Transport) -> None:
        """It takes messages."""
        self._transport, self._taking = transport, True

    def heard(self, frame: memoryview) -> None:
        """An answer, or what concerns no single request. Raises msgspec.DecodeError, ValueError, TypeError."""
        number, result, failure = frames.read_answer(frame)
        if isinstance(result, TlsResult):
            self._report(result)
        elif not number:
            self._taking = False
        else:
            self._answered(number, result, failure)
        if not self._taking and not self._pending and self._transport is not None:
            self._transport.close()  # the worker ends, and waits for this

    def _answered(self, number: int, result: Sequence[Answer] | None, failure: Unreachable | Literal["refused"] | None) -> None:
        if number in self._pending:
            future, count = self._pending.pop(number)
            if future.done():
                return
            if isinstance(failure, Unreachable):
                future.set_exception(failure)
            elif result is not None and len(result) != count:
                future.set_result([LOST] * count)
            else:
                future.set_result(result)

    def lost(self) -> None:
        """Whatever was under way there may have been handed over or not."""
        self._transport, self._taking = None, False
        pending, self._pending = self._pending, {}
        if pending and not self._closed:
            _log.error("courier lost", under_way=len(pending))
        for future, count in pending.values():
            if not future.done():
                future.set_result([LOST] * count)


class _Connection(asyncio.Protocol):
    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._worker.connected(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._worker.heard(frame)
        except (ValueError, TypeError, msgspec.DecodeError) as error:
            _log.error("courier frame", error=repr(error))
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._worker.lost()
