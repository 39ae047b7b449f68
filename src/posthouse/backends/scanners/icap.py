"""Any engine behind ICAP (RFC 3507): the message and each decoded part as an object of its own, over kept connections.

ICAP servers need not know what mail is, so all parts go, not only those that the whole message hides. A failure of any kind is
Temporary: what follows from it (defer or pass, marked) is for the stage's settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from posthouse.backends.scanners.clamd import PUBLIC
from posthouse.backends.scanners.findings import Findings, decoded
from posthouse.base.clock import Clock
from posthouse.base.errors import Temporary
from posthouse.model.scan import WHOLE, EngineFacts, ScannedMail, ScanReport
from posthouse.model.virus_engine import VirusEngine
from posthouse.protocols import icap

AT_ONCE = 8
KEPT = 8
_PIECE_BYTES = 64 << 10
_READ_BYTES = 64 << 10
_SURPLUS_BYTES = 1 << 20
"""How much larger than the object an answer may be: a page that says why."""


class _Link:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def response(self, max_body_bytes: int) -> icap.Response:
        """Raises EOFError, Garbled."""
        reading = icap.Reading(max_body_bytes)
        while True:
            octets = await self.reader.read(_READ_BYTES)
            if not octets:
                raise EOFError("closed the connection")
            response = reading.feed(octets)
            if response is not None:
                return response


class IcapScanner:
    """``timeout_s`` is asked for each scan, waiting for a turn included."""

    def __init__(self, engine: VirusEngine, timeout_s: Callable[[], float], clock: Clock) -> None:
        self._engine = engine
        self._service = icap.Service(engine.host, engine.port, engine.path)
        self._timeout_s = timeout_s
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._idle: list[_Link] = []
        self._options: icap.Options | None = None
        self._options_until_s = 0.0

    @property
    def name(self) -> str:
        return self._engine.name

    async def scan(self, mail: ScannedMail) -> ScanReport:
        """As ``Scanner.scan``."""
        findings = Findings()
        async with self._answering():
            options = await self._told()
            await self._object(findings, options, WHOLE, "message.eml", "message/rfc822", mail.content)
            for part in mail.parts:
                await self._object(findings, options, part.section, part.name, part.type, await decoded(part))
        return findings.report()

    async def about(self) -> EngineFacts:
        """As ``Scanner.about``. ICAP tells the patterns' version (ISTag), not their time."""
        async with self._answering():
            self._options = None
            options = await self._told()
        return EngineFacts(options.service, options.istag)

    async def close(self) -> None:
        """Closes what is kept open."""
        while self._idle:
            self._idle.pop().writer.close()

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """A turn and a time limit; whatever goes wrong in it is Temporary."""
        timeout_s = self._timeout_s()
        try:
            async with asyncio.timeout(timeout_s), self._turns:
                yield
        except TimeoutError:
            raise self._trouble(f"no answer within {timeout_s:g} s") from None
        except (OSError, EOFError, icap.Garbled) as error:
            raise self._trouble(str(error) or type(error).__name__) from error

    def _trouble(self, why: str) -> Temporary:
        return Temporary(PUBLIC, cause=f"{self.name} at {self._engine.place}: {why}")

    async def _told(self) -> icap.Options:
        """The service's options, asked for again when they are old (Options-TTL)."""
        if self._options is None or self._clock.steady() > self._options_until_s:
            async with self._link(fresh=True) as link:
                link.writer.write(icap.options_request(self._service))
                response = await link.response(_SURPLUS_BYTES)
            if response.status != 200:
                raise icap.Garbled(f"OPTIONS: {response.status} {response.reason}")
            self._options = icap.Options.of(response)
            self._options_until_s = self._clock.steady() + self._options.ttl_s
        return self._options

    @asynccontextmanager
    async def _link(self, *, fresh: bool = False) -> AsyncIterator[_Link]:
        """A connection, kept for the next one if all went well and the server does not want it closed."""
        link = self._idle.pop() if self._idle and not fresh else None
        if link is None or link.reader.at_eof():
            link = _Link(*await asyncio.open_connection(self._engine.host, self._engine.port, limit=_READ_BYTES))
        try:
            yield link
        except BaseException:
            link.writer.close()
            raise
        if len(self._idle) < KEPT and not link.writer.is_closing():
            self._idle.append(link)
        else:
            link.writer.close()

    async def _object(
        self, findings: Findings, options: icap.Options, section: str, name: str, kind: str, octets: bytes
    ) -> None:
        """A kept connection may have been closed by the server meanwhile: then once more, over a new one."""
        head = icap.respmod_head(
            self._service,
            name=name,
            content_type=kind,
            size_bytes=len(octets),
            preview_bytes=None if options.preview_bytes is None else min(options.preview_bytes, len(octets)),
            allow_204=options.allows_204,
        )
        response: icap.Response | None = None
        if self._idle:
            with suppress(ConnectionError, EOFError):
                response = await self._asked(options, head, octets, fresh=False)
        if response is None:
            response = await self._asked(options, head, octets, fresh=True)
        self._judge(findings, response, section, octets)

    async def _asked(self, options: icap.Options, head: bytes, octets: bytes, *, fresh: bool) -> icap.Response:
        async with self._link(fresh=fresh) as link:
            writer, room = link.writer, len(octets) + _SURPLUS_BYTES
            shown = 0
            if options.preview_bytes is not None:
                shown = min(options.preview_bytes, len(octets))
                writer.write(head + icap.chunk(octets[:shown]))
                writer.write(icap.PREVIEW_WAS_ALL if shown == len(octets) else icap.LAST_CHUNK)
                head = b""
                response = await link.response(room)
                if response.status != 100:
                    return self._ended(link, response)
                if shown == len(octets):
                    raise icap.Garbled("wants more than there is")
            sending = asyncio.create_task(self._send(writer, head, octets, shown))
            try:
                response = await link.response(room)
                if not sending.done():  # an answer ahead of the end: the connection has nothing left to say
                    writer.close()
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await sending
            return self._ended(link, response)

    async def _send(self, writer: asyncio.StreamWriter, head: bytes, octets: bytes, start: int) -> None:
        writer.write(head)
        view = memoryview(octets)
        for at in range(start, len(octets), _PIECE_BYTES):
            writer.write(icap.chunk(view[at : at + _PIECE_BYTES]))
            await writer.drain()
        writer.write(icap.LAST_CHUNK)

    def _ended(self, link: _Link, response: icap.Response) -> icap.Response:
        if response.headers.get("connection", "").lower() == "close":
            link.writer.close()
        return response

    def _judge(self, findings: Findings, response: icap.Response, section: str, octets: bytes) -> None:
        name, mended = icap.infection(response.headers)
        if response.status not in (200, 204) and not name:
            raise icap.Garbled(f"RESPMOD: {response.status} {response.reason}")
        if name:
            findings.found(section, name, response.body if mended and response.http_status == 200 else None)
        elif response.status == 200 and response.http_status >= 400:
            findings.found(section, f"blocked with {response.http_status}")
        elif response.status == 200 and response.body is not None and response.body != octets:
            # A server that sends on while it still looks can only stop in the middle when it finds something.
            cut_off = octets.startswith(response.body)
            findings.found(
                section, "cut off by the engine" if cut_off else "changed by the engine", None if cut_off else response.body
            )
