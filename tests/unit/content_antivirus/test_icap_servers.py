"""ICAP servers of all kinds, played by a script: what each way of answering means (RFC 3507 §4.5, §4.6, §4.8, §4.9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from posthouse.backends.scanners.icap import IcapScanner
from posthouse.base.clock import SystemClock
from posthouse.base.errors import Temporary
from posthouse.model.scan import WHOLE, ScannedMail, ScannedPart, ScanReport
from posthouse.model.virus_engine import VirusEngine

OPTIONS = b'ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: "1"\r\n%bEncapsulated: null-body=0\r\n\r\n'
CLEAN = b'ICAP/1.0 204 No Content\r\nISTag: "1"\r\n\r\n'
CONTINUE = b"ICAP/1.0 100 Continue\r\n\r\n"
Answer = Callable[["Server", bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def changed(body: bytes, extra: bytes = b"", status: bytes = b"200 OK") -> bytes:
    http = b"HTTP/1.1 " + status + b"\r\n\r\n"
    return (
        b"ICAP/1.0 200 OK\r\nISTag: \"1\"\r\n" + extra
        + b"Encapsulated: res-hdr=0, res-body=%d\r\n\r\n" % len(http) + http
        + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    )  # fmt: skip


class Server:
    """Answers OPTIONS with ``options`` fields, and each object by ``answer``. ``bodies`` are what it was shown."""

    def __init__(self, answer: Answer, options: bytes = b"Allow: 204\r\nPreview: 4\r\n") -> None:
        self.answer = answer
        self.options = options
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"OPTIONS"):
                    writer.write(OPTIONS % self.options)
                    continue
                self.heads.append(head)
                await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                await self.answer(self, head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def body(self, reader: asyncio.StreamReader) -> tuple[bytes, bool]:
        """Chunks up to the last one, and whether that said that the preview was all."""
        out = b""
        while True:
            line = (await reader.readuntil(b"\r\n")).strip()
            size = int(line.partition(b";")[0], 16)
            if not size:
                await reader.readexactly(2)
                return out, b"ieof" in line
            out += await reader.readexactly(size)
            await reader.readexactly(2)


@asynccontextmanager
async def scanner_of(server: Server, timeout_s: float = 5.0) -> AsyncIterator[IcapScanner]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    made = IcapScanner(VirusEngine.parse(f"icap://127.0.0.1:{port}/av"), lambda: timeout_s, SystemClock())
    try:
        yield made
    finally:
        await made.close()
        listening.close()


async def scan(server: Server, octets: bytes, timeout_s: float = 5.0) -> ScanReport:
    part = ScannedPart("2", "a.exe", "application/x", False, len(octets), lambda: octets)
    async with scanner_of(server, timeout_s) as scanner:
        return await scanner.scan(ScannedMail(b"Hi", (part,)))


async def whole(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Takes the preview, asks for the rest, and gives all of it."""
    shown, was_all = await server.body(reader)
    if not was_all:
        writer.write(CONTINUE)
        shown += (await server.body(reader))[0]
    server.bodies.append(shown)
    return shown


async def clean_after_preview(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    server.bodies.append((await server.body(reader))[0])
    writer.write(CLEAN)


async def clean_at_the_end(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await whole(server, reader, writer)
    writer.write(CLEAN)


async def test_a_server_may_be_content_with_the_preview() -> None:
    server = Server(clean_after_preview)
    assert await scan(server, b"123456789") == ScanReport()
    assert server.bodies == [b"Hi", b"1234"]
    assert b"Preview: 4" in server.heads[1]


async def test_the_rest_follows_when_the_server_asks_for_it() -> None:
    server = Server(clean_at_the_end)
    octets = bytes(range(256)) * 1_000
    assert await scan(server, octets) == ScanReport()
    assert server.bodies == [b"Hi", octets]


async def test_connections_are_kept_and_used_again() -> None:
    server = Server(clean_at_the_end)
    async with scanner_of(server) as scanner:
        for _ in range(5):
            await scanner.scan(ScannedMail(b"Hi"))
        assert server.connections == 1


async def test_without_a_preview_everything_is_sent_at_once() -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.bodies.append((await server.body(reader))[0])
        writer.write(changed(server.bodies[-1]))

    server = Server(answer, options=b"")
    assert await scan(server, b"123456789") == ScanReport()
    assert server.bodies == [b"Hi", b"123456789"]
    assert b"Preview" not in server.heads[0]
    assert b"Allow" not in server.heads[0]


@pytest.mark.parametrize(
    ("extra", "status", "body", "name", "cleaned"),
    [
        (b"X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n", b"403 Forbidden", b"sorry", "Eicar", None),
        (b"X-Infection-Found: Type=0; Resolution=1; Threat=W97M;\r\n", b"200 OK", b"clean now", "W97M", b"clean now"),
        (b"X-Virus-ID: Troj/A\r\n", b"200 OK", b"a page that says why", "Troj/A", None),
        (b"", b"403 Forbidden", b"sorry", "blocked with 403", None),
        (b"", b"200 OK", b"something else", "changed by the engine", b"something else"),
        (b"", b"200 OK", b"bad st", "cut off by the engine", None),
        (b"", b"200 OK", b"", "cut off by the engine", None),
    ],
)
async def test_ways_of_saying_that_something_was_found(
    extra: bytes, status: bytes, body: bytes, name: str, cleaned: bytes | None
) -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await whole(server, reader, writer)
        writer.write(changed(body, extra, status) if octets == b"bad stuff" else CLEAN)

    report = await scan(Server(answer), b"bad stuff")
    assert [(each.name, each.section) for each in report.infections] == [(name, "2")]
    assert dict(report.cleaned).get("2") == cleaned


async def test_an_answer_before_the_end_is_taken() -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, was_all = await server.body(reader)
        if was_all:
            writer.write(CLEAN)
            return
        writer.write(CONTINUE)
        await reader.readexactly(1_000)
        writer.write(changed(b"", b"X-Virus-ID: Early\r\n", b"403 Forbidden"))
        await writer.drain()
        writer.close()

    report = await scan(Server(answer), bytes(8 << 20))
    assert report.names == "Early"


async def test_a_kept_connection_that_the_server_has_closed_is_no_trouble() -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(server, reader, writer)
        writer.write(CLEAN)
        await writer.drain()
        writer.close()  # without saying so

    server = Server(answer)
    assert await scan(server, b"123456789") == ScanReport()
    assert server.connections >= 2


@pytest.mark.parametrize(
    "said",
    [
        b"ICAP/1.0 500 Server error\r\n\r\n",
        b"ICAP/1.0 404 Service not found\r\n\r\n",
        b"ICAP/1.0 503 Overloaded\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
    ],
)
async def test_trouble_of_the_server_is_temporary(said: bytes) -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.body(reader)
        writer.write(said)

    with pytest.raises(Temporary) as error:
        await scan(Server(answer), b"123456789")
    assert "127.0.0.1" not in error.value.public


async def test_a_server_that_falls_silent_is_temporary_in_time() -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    with pytest.raises(Temporary, match="no answer within"):
        await scan(Server(answer), b"123456789", timeout_s=0.3)


async def test_a_server_that_answers_without_end_is_temporary() -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(server, reader, writer)
        writer.write(b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()

    with pytest.raises(Temporary, match="larger than what was sent"):
        await scan(Server(answer), b"123456789")


async def test_the_engines_name_for_what_it_could_not_open_is_no_virus() -> None:
    async def answer(server: Server, _: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await whole(server, reader, writer)
        found = changed(b"", b"X-Virus-ID: Heuristics.Encrypted.Zip\r\n", b"403 Forbidden")
        writer.write(CLEAN if octets == b"Hi" else found)

    report = await scan(Server(answer), b"PK...secret")
    assert report.unscanned == (("2", "encrypted"),)
    assert not report.infections
    assert WHOLE not in dict(report.unscanned)
