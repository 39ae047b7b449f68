"""The steward's end of the gate: a Unix socket over which workers hand in units of work for the writing thread.

Units go straight to the thread; other calls and ``tell`` go to handlers given by ``roles.bootstrap`` (trace records, say).
Answers come from the writing thread, which sends those of a whole group together, with notices of changes to the workers that
watch (``WATCH``). The socket lies in a folder
of mode 0700 and has mode 0600: who can connect can write mail.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from posthouse.backends.notices import Committed, Interest, payload_of
from posthouse.backends.sqlite.frames import HEADER, WATCH, FrameReader, decode, encode, pack_error
from posthouse.backends.sqlite.gate_client import GateClient as GateClient
from posthouse.backends.sqlite.units import UNITS
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base import log
from posthouse.base.errors import BadValue, MailError

CallHandler = Callable[[Any], Awaitable[Any]]
Answer = Callable[[Any, MailError | None], None]
PostHandler = Callable[[Any, Answer], None]
TellHandler = Callable[[Any], None]


class GateServer:
    """``calls`` and ``tells`` are handlers by kind, on the loop; a call's handler answers by returning or raising MailError.
    ``posts`` hand a call to a thread, which answers itself, once: no task is spent on it."""

    def __init__(
        self,
        path: Path,
        writer: MailWriterThread,
        *,
        calls: Mapping[str, CallHandler] | None = None,
        posts: Mapping[str, PostHandler] | None = None,
        tells: Mapping[str, TellHandler] | None = None,
    ) -> None:
        self.writer = writer
        self.calls = calls or {}
        self.posts = posts or {}
        self.tells = tells or {}
        self._path = path
        self._server: asyncio.AbstractServer | None = None
        self.connections: tuple[_Connection, ...] = ()
        self.answered: set[_Connection] = set()
        writer.listen(self.committed, self.group_answered)
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to listen; a socket that a crash left behind is replaced. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self, loop), str(self._path))
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Stops listening and closes the connections; the writing thread is the caller's to stop (before this, so that
        answers still leave)."""
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(0)  # answers that the thread has posted leave first
        for connection in list(self.connections):
            connection.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    # --- what the writing thread calls

    def committed(self, committed: Committed) -> None:
        """Tells each worker of the mailboxes that it watches; goes out with the answers."""
        for connection in self.connections:
            connection.tell([payload_of(notice) for notice in committed.mailboxes if connection.interest.wants(notice)])

    def group_answered(self) -> None:
        """All units of a group have their answers: now they leave."""
        answered, self.answered = self.answered, set()
        for connection in answered:
            connection.flush()


class _Connection(asyncio.Protocol):
    """One worker's. Answers leave from the thread that has them, by a descriptor of its own beside the transport's; the loop
    only helps when the socket is full."""

    def __init__(self, server: GateServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._answers: deque[bytes] = deque()
        self._waking = False
        self._sending = threading.Lock()
        self._socket: socket.socket | None = None
        self._full = False
        self.interest = Interest()
        self._log = log.get("store")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        self._server.connections = (*self._server.connections, self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._server.connections = tuple(one for one in self._server.connections if one is not self)
        with self._sending:
            if self._socket is not None:
                self._loop.remove_writer(self._socket)
                self._socket.close()
                self._socket = None

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                call_id, kind, arguments = decode(frame)
                if kind in UNITS:
                    self._server.writer.post(kind, arguments, len(frame), partial(self._answer_unit, call_id))
                elif call_id and kind in self._server.posts:
                    self._server.posts[kind](arguments, partial(self._answer, call_id))
                elif call_id:
                    self._handle(call_id, kind, arguments)
                else:
                    self._told(kind, arguments)
        except (ValueError, msgspec.DecodeError) as error:
            self._log.error("gate frame", error=repr(error))
            self.close()

    def _told(self, kind: str, payload: Any) -> None:
        if kind == WATCH:
            for what, number, on in payload:
                self.interest.change(what, number, on=on)
            return
        handler = self._server.tells.get(kind)
        if handler is None:
            self._log.error("gate tell", kind=kind, error="nobody listens")
            return
        handler(payload)

    def _handle(self, call_id: int, kind: str, arguments: Any) -> None:
        task = self._loop.create_task(self._run(call_id, kind, arguments))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _run(self, call_id: int, kind: str, arguments: Any) -> None:
        try:
            handler = self._server.calls.get(kind)
            if handler is None:
                raise BadValue("There is no such call", cause=f"no handler for {kind}")
            self._answer(call_id, await handler(arguments), None)
        except MailError as error:
            self._answer(call_id, None, error)

    # --- from any thread

    def _answer(self, call_id: int, result: Any, error: MailError | None) -> None:
        """Leaves at the loop's next turn, with others."""
        self._answers.append(_answer_frame(call_id, result, error))
        if not self._waking:
            self._waking = True
            self._on_loop(self._awake)

    def _awake(self) -> None:
        self._waking = False
        self.flush()

    def _answer_unit(self, call_id: int, result: Any, error: MailError | None) -> None:
        """Leaves when the whole group is answered."""
        self._answers.append(_answer_frame(call_id, result, error))
        self._server.answered.add(self)

    def tell(self, notices: list[dict[str, object]]) -> None:
        """Notices, which leave before the answers of their group."""
        if notices:
            self._answers.append(_answer_frame(0, notices, None))
            self._server.answered.add(self)

    def flush(self) -> None:
        """Sends what is there as far as the socket takes it."""
        with self._sending:
            answers = self._answers
            if self._socket is None or self._full or not answers:
                return
            data = b"".join([answers.popleft() for _ in range(len(answers))])
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # it is broken, which the loop finds too
            if sent < len(data):
                answers.appendleft(data[sent:])
                self._full = True
                self._on_loop(self._await_room)

    # --- on the loop

    def _on_loop(self, work: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            self._log.warning("answer after the loop closed")

    def _await_room(self) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket, self._has_room)

    def _has_room(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)
        self._full = False
        self.flush()

    def close(self) -> None:
        self.flush()
        if self._transport is not None:
            self._transport.close()


def _answer_frame(call_id: int, result: Any, error: MailError | None) -> bytes:
    frame = encode((call_id, result, None if error is None else pack_error(error)))
    return HEADER.pack(len(frame)) + frame
