"""The control socket: a Unix socket in the steward over which operations are asked for (ADM-1).

The shell and the workers' administration protocol connect to it. The kernel tells who the peer is (SO_PEERCRED): root and
the node's own user are trusted, also to name on whose behalf they ask; anyone else is refused. One connection may ask for
any number of operations, one after the other.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
from dataclasses import replace
from pathlib import Path

from posthouse.admin.answering import answer
from posthouse.admin.context import Context
from posthouse.base import log
from posthouse.protocols.control import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    Answer,
    FrameError,
    FrameReader,
    Request,
    decode_answer,
    decode_request,
    encode,
)
from posthouse.servers.unix_path import socket_address

_CHUNK = 65_536
_MAX_CONNECTIONS = 1000
_IDLE_S = 3600.0
FINISH_S = 5.0
"""How long operations under way may still run when the steward ends."""
_log = log.get("control")


class ControlServer:
    """Listens on ``path`` and runs operations in ``context``."""

    def __init__(self, context: Context, path: Path) -> None:
        self._context = context
        self._path = path
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._operations: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to listen; a socket file left by an earlier life is replaced. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Under a mask, so that there is no moment at which others could connect.
        before = os.umask(0o177)
        try:
            with socket_address(self._path) as address:
                listener.bind(address)
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def close(self) -> None:
        """Stops listening and ends all connections; operations under way are finished first, within ``FINISH_S``."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        if self._operations:
            await asyncio.wait(self._operations, timeout=FINISH_S)
        tasks = [*self._conversations, *self._operations]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        uid = peer_uid(writer.get_extra_info("socket"))
        try:
            if uid not in (0, os.getuid()):
                _log.warning("refused", uid=uid)
                writer.write(encode(Answer("failed", text="only root and the node's own user may run operations here")))
            elif len(self._conversations) > _MAX_CONNECTIONS:
                writer.write(encode(Answer("failed", text="too many connections to the control socket")))
            else:
                await self._converse(reader, writer, replace(self._context, who=user_name(uid)))
        except (OSError, TimeoutError, FrameError) as error:
            _log.info("lost", why=str(error))
        except asyncio.CancelledError:
            # Only ``close`` cancels conversations; the stream's own callback would report it as a fault.
            pass
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: Context) -> None:
        frames = FrameReader(MAX_REQUEST_BYTES)
        while True:
            while (body := frames.next()) is None:
                data = await asyncio.wait_for(reader.read(_CHUNK), _IDLE_S)
                if not data:
                    return
                frames.feed(data)
            task = asyncio.create_task(self._run(context, decode_request(body), writer))
            self._operations.add(task)
            task.add_done_callback(self._operations.discard)
            # Shielded: an operation that has begun is finished even if its asker goes away.
            await asyncio.shield(task)

    async def _run(self, context: Context, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            reply = encode(await answer(context, request))
        except Exception as error:
            _log.error("operation failed", operation=" ".join(request.words[:2]), exc_info=error)
            reply = encode(Answer("failed", text="internal error; the node's log has the cause", code="SERVERBUG"))
        if len(reply) > MAX_ANSWER_BYTES:
            reply = encode(Answer("failed", text="the answer is too long; ask for less at a time", code="LIMIT"))
        writer.write(reply)
        await writer.drain()


class ControlClient:
    """A connection to the control socket from a worker; opened at the first question, opened anew when it was lost."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: Request) -> Answer:
        """Runs one operation. Raises OSError when the steward cannot be reached or is lost, FrameError when it garbles."""
        try:
            return await self._exchange(request)
        except BaseException:
            # Also when cancelled: an answer still on its way must not be taken for the next question's.
            self.close()
            raise

    async def _exchange(self, request: Request) -> Answer:
        if self._reader is None or self._writer is None or self._reader.at_eof():
            with socket_address(Path(self._path)) as address:
                self._reader, self._writer = await asyncio.open_unix_connection(address)
        self._writer.write(encode(request))
        await self._writer.drain()
        frames = FrameReader(MAX_ANSWER_BYTES)
        while (body := frames.next()) is None:
            data = await self._reader.read(_CHUNK)
            if not data:
                raise ConnectionResetError("the steward closed the control connection")
            frames.feed(data)
        return decode_answer(body)

    def close(self) -> None:
        """Ends the connection; ``ask`` would open a new one."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def peer_uid(connection: socket.socket) -> int:
    """User id of the process at the other end of a Unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return int(uid)


def user_name(uid: int) -> str:
    """The system's name for a user id, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
