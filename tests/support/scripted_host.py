"""An SMTP or LMTP server on a loopback port that says what a script tells it to, and notes all that it hears."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Says = Callable[[str, int, str], str | None]
"""From step, number of the connection (from 1) and the command's argument to what is said; None for what is usual.

Steps: GREETING, EHLO, HELO, STARTTLS, MAIL, RCPT, DATA, END (of the message), RSET, QUIT. Besides replies: ``drop`` closes,
``reset`` closes hard, ``stall`` says nothing for ever, ``endless`` says lines of one reply for ever, ``half REPLY`` says the
reply without its end and closes.
"""

USUAL = {
    "GREETING": "220 mx.faraway.test ESMTP",
    "STARTTLS": "220 2.0.0 go ahead",
    "DATA": "354 go ahead",
    "QUIT": "221 2.0.0 bye",
}
EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10000000", "DSN", "ENHANCEDSTATUSCODES")


@dataclass
class Heard:
    """One message as it came in."""

    sender: str
    recipients: list[str]
    content: bytes
    connection: int
    tls: bool


@dataclass
class ScriptedHost:
    """Use as an async context manager; ``port`` is where it listens. ``context`` makes STARTTLS work."""

    says: Says = lambda step, connection, argument: None
    extensions: Sequence[str] = EXTENSIONS
    lmtp: bool = False
    context: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    heard: list[Heard] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0
    port: int = 0
    """Where it listens; 0 picks one at the start."""

    async def __aenter__(self) -> ScriptedHost:
        self._server = await asyncio.start_server(self._serve, self.address, self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await _Talk(self, reader, writer, self.connections).run()
        except (OSError, asyncio.IncompleteReadError, _Ended):
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Ended(Exception):
    pass


class _Talk:
    def __init__(self, host: ScriptedHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._number = number
        self._sender = ""
        self._recipients: list[str] = []
        self._tls = False

    async def run(self) -> None:
        await self._say("GREETING", "")
        while line := await self._reader.readline():
            text = line.decode().rstrip("\r\n")
            self._host.commands.append(text)
            await self._command(text)

    async def _command(self, text: str) -> None:
        verb = text[:4].upper()
        if verb in ("EHLO", "LHLO", "HELO"):
            await self._say("HELO" if verb == "HELO" else "EHLO", text)
        elif verb == "STAR":
            if (await self._say("STARTTLS", "")).startswith("220") and self._host.context is not None:
                await self._writer.start_tls(self._host.context)
                self._tls = True
        elif verb == "MAIL":
            self._recipients = []
            if (await self._say("MAIL", text)).startswith("2"):
                self._sender = text
        elif verb == "RCPT":
            if (await self._say("RCPT", text)).startswith("2"):
                self._recipients.append(text)
        elif verb == "DATA":
            if (await self._say("DATA", "")).startswith("354"):
                await self._message()
        elif verb == "BDAT":
            content = await self._reader.readexactly(int(text.split()[1]))
            await self._end(content)
        elif verb == "QUIT":
            await self._say("QUIT", "")
            raise _Ended
        else:
            await self._say(verb, text)

    async def _message(self) -> None:
        content = b""
        while (line := await self._reader.readline()) not in (b".\r\n", b""):
            content += line[1:] if line.startswith(b".") else line
        if line == b"":
            raise _Ended
        await self._end(content)

    async def _end(self, content: bytes) -> None:
        heard = Heard(self._sender, list(self._recipients), content, self._number, self._tls)
        replies = [await self._say("END", who) for who in (self._recipients if self._host.lmtp else ["all"])]
        if any(reply.startswith("2") for reply in replies):
            self._host.heard.append(heard)

    async def _say(self, step: str, argument: str) -> str:
        said = self._host.says(step, self._number, argument)
        if said is None:
            said = USUAL.get(step, "250 2.0.0 ok")
            if step == "DATA" and not self._recipients:
                said = "554 5.5.1 no valid recipients"
            if step == "EHLO":
                names = ["mx.faraway.test", *self._host.extensions]
                if self._host.context is not None and not self._tls:
                    names.append("STARTTLS")
                said = "\r\n".join(f"250{'-' if name is not names[-1] else ' '}{name}" for name in names)
        if said == "stall":
            await asyncio.get_running_loop().create_future()
        while said == "endless":
            self._writer.write(b"250-and more\r\n" * 100)
            await self._writer.drain()
        if said == "reset":
            self._writer.transport.abort()
        if said.startswith("half "):
            self._writer.write(said[5:].encode())
            await self._writer.drain()
        if said == "drop" or said == "reset" or said.startswith("half "):
            raise _Ended
        self._writer.write(said.encode() + b"\r\n")
        await self._writer.drain()
        return said


@contextlib.contextmanager
def in_background(*hosts: ScriptedHost) -> Iterator[None]:
    """Runs hosts on a loop in a thread of its own, for tests that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[object, object, object]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(30)

    for host in hosts:
        run(host.__aenter__())
    try:
        yield
    finally:
        for host in hosts:
            run(host.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def server_context(name: str = "mx.faraway.test") -> ssl.SSLContext:
    """A server's context with a self-made certificate for ``name``."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        context.load_cert_chain(path)
    return context
