"""HTTP on the house's own connections: PROXY protocol, TLS, keep-alive, bounds, back-pressure, drain; over real sockets."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send

from posthouse.base.clock import SystemClock
from posthouse.model.session import Service
from posthouse.model.settings import Settings, SmtpSettings
from posthouse.servers.http import HttpServer, server
from support.listening import Serve, Serving

BALANCED = dataclasses.replace(Settings(), smtp=dataclasses.replace(SmtpSettings(), proxy_networks=("127.0.0.1",)))
HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 80\r\n"
GET = b"GET /who HTTP/1.1\r\nHost: mx\r\n\r\n"


class App:
    """Says who asks; ``/slow`` answers when told; ``/large`` sends what it can; all else takes the body."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.sent_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await self.go.wait()
        body = b""
        while scope["method"] == "POST":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        text = repr((scope["client"], scope["server"], scope["scheme"], len(body))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while scope["path"] == "/large" and self.sent_bytes < 50_000_000:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            self.sent_bytes += 100_000
        await send({"type": "http.response.body", "body": text})


@pytest.fixture
def app() -> App:
    return App()


class Site:
    """The application on a listener, and connections to it."""

    def __init__(self, serving: Serving, web: HttpServer) -> None:
        self.web = web
        self.listener = serving.listener
        self._serving = serving
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._serving.connect()
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def site(serve: Serve, app: App) -> AsyncIterator[Open]:
    """Opens sites; their connections are closed when the test ends."""
    opened: list[Site] = []

    async def start(service: Service = "http", settings: Settings | None = None) -> Site:
        web = HttpServer(app, SystemClock())
        opened.append(Site(await serve(web.handle, service, settings), web))
        return opened[-1]

    yield start
    for each in opened:
        await each.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One response with a length or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = b""
    if "content-length" in fields:
        body = await reader.readexactly(int(fields["content-length"]))
    elif fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return int(head[0].split()[1]), fields, body


async def test_requests_follow_one_another_also_pipelined_over_one_connection(site: Open, app: App) -> None:
    here = await site()
    reader, writer = await here.connect()
    writer.write(GET)
    status, fields, body = await answer(reader)
    assert status == 200
    assert "date" in fields
    assert "server" not in fields
    assert body.startswith(b"(('127.0.0.1', ") and body.endswith(b"'http', 0)")
    writer.write(b"POST / HTTP/1.1\r\nHost: mx\r\nContent-Length: 300000\r\n\r\n" + b"y" * 300_000 + GET + GET)
    assert (await answer(reader))[2].endswith(b"'http', 300000)")
    assert (await answer(reader))[0] == (await answer(reader))[0] == 200


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize("service", ["http", "https"])
async def test_the_application_is_told_the_true_client_behind_a_balancer(serve: Serve, site: Open, service: Service) -> None:
    here = await site(service, BALANCED)
    reader, writer = await here.connect()
    writer.write(HEADER)
    if service == "https":
        await writer.start_tls(serve.client_context(), server_hostname="mx.example.test")
    writer.write(GET)
    _, _, body = await answer(reader)
    assert body == repr((("192.0.2.7", 1111), ("198.51.100.1", 80), service, 0)).encode()
    reader, writer = await here.connect()
    writer.write(GET)
    assert await reader.read() == b"", "a balancer must say who the client is"


async def test_a_head_that_comes_too_slowly_ends_the_connection(site: Open, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_S", 0.3)
    here = await site()
    reader, writer = await here.connect()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    ended = asyncio.ensure_future(reader.read())
    while not ended.done():
        writer.write(b"G" if loop.time() == began_s else b"")
        await asyncio.sleep(0.02)
        assert loop.time() - began_s < 5
    assert await ended == b""


async def test_a_body_that_stops_coming_ends_the_connection_and_a_slow_application_does_not(
    site: Open, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_SILENCE_S", 0.1)
    here = await site()
    reader, writer = await here.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: mx\r\nContent-Length: 10\r\n\r\n123")
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    reader, writer = await here.connect()
    writer.write(GET.replace(b"/who", b"/slow"))
    waiting = asyncio.ensure_future(answer(reader))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done
    app.go.set()
    assert (await waiting)[0] == 200


async def test_an_endless_head_is_refused(site: Open, app: App) -> None:
    here = await site()
    reader, writer = await here.connect()
    writer.write(b"GET / HTTP/1.1\r\n" + b"X-Filler: " + b"z" * 400_000)
    assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")


async def test_what_a_client_does_not_take_is_not_made(site: Open, app: App) -> None:
    here = await site()
    reader, writer = await here.connect()
    writer.write(GET.replace(b"/who", b"/large"))
    await reader.readexactly(1000)
    held = -1
    while held != app.sent_bytes:
        held = app.sent_bytes
        await asyncio.sleep(0.2)
    assert held < 20_000_000, "the application waits for the client"
    status = 0
    while chunk := await reader.read(1 << 20):
        status += len(chunk)
        if app.sent_bytes >= 50_000_000 and b"'http', 0)" in chunk:
            break
    assert status > 49_000_000


async def test_a_drain_ends_idle_connections_and_lets_answers_finish(site: Open, app: App) -> None:
    here = await site()
    (idle, _), (reader, writer) = await here.connect(), await here.connect()
    writer.write(GET.replace(b"/who", b"/slow"))
    async with asyncio.timeout(60):
        while len(here.web._state.tasks) < 1 or here.listener.open < 2:
            await asyncio.sleep(0.01)
        here.web.drain()
        assert await idle.read() == b""
        app.go.set()
        assert (await answer(reader))[0] == 200
        assert await reader.read() == b""


async def test_what_is_no_request_is_told_so(site: Open, app: App) -> None:
    here = await site()
    reader, writer = await here.connect()
    writer.write(b"EHLO mail.example.test\r\n\r\n")
    assert (await answer(reader))[0] == 400
    assert await reader.read() == b""
