"""Listeners: limits, cheap refusals, PROXY protocol, drain, metrics."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import ssl
import struct

import pytest

from posthouse.base.clock import ManualClock
from posthouse.base.metrics import OPEN, REFUSED
from posthouse.model.session import Service
from posthouse.model.settings import Settings, SmtpSettings
from posthouse.servers.connection import Connection
from posthouse.servers.listener import PROXY_TIMEOUT_S
from posthouse.servers.proxy_protocol import SIGNATURE
from posthouse.servers.sweeper import NEVER, Sweeper
from support.listening import Serve, Serving


def settings(**smtp: object) -> Settings:
    return dataclasses.replace(Settings(), smtp=dataclasses.replace(SmtpSettings(), **smtp))  # type: ignore[arg-type]


async def tell_addresses(connection: Connection) -> None:
    ends = (connection.client_address, connection.client_port, connection.server_address, connection.server_port)
    connection.write(f"{ends}\r\n".encode())
    while data := await connection.read(30):
        connection.write(data)


@pytest.mark.parametrize(
    ("service", "words"), [("smtp", b"421 4.3.2 "), ("imap", b"* BYE [UNAVAILABLE] "), ("pop3", b"-ERR [SYS/TEMP] ")]
)
async def test_past_the_limit_a_connection_is_told_so_and_closed(serve: Serve, service: Service, words: bytes) -> None:
    chosen = settings(max_connections=10)
    chosen = dataclasses.replace(
        chosen,
        imap=dataclasses.replace(chosen.imap, max_connections=10),
        pop=dataclasses.replace(chosen.pop, max_connections=10),
    )
    serving = await serve(tell_addresses, service, chosen)
    before = REFUSED.labels(service)._value.get()
    held = [await serving.connect() for _ in range(10)]
    for reader, _ in held:
        await reader.readline()
    reader, writer = await serving.connect()
    assert (await reader.read()).startswith(words)
    assert REFUSED.labels(service)._value.get() == before + 1
    writer.close()
    held[0][1].close()
    async with asyncio.timeout(60):
        while serving.listener.open >= 10:
            await asyncio.sleep(0.01)
    reader, writer = await serving.connect()
    assert (await reader.readline()).startswith(b"('127.0.0.1'")
    for _, one in [*held, (reader, writer)]:
        one.close()


async def test_a_client_over_its_limit_gets_421_on_smtp_and_is_served_on_imap(serve: Serve) -> None:
    serve.full = True
    smtp = await serve(tell_addresses, "smtp")
    imap = await serve(tell_addresses, "imap")
    reader, writer = await smtp.connect()
    assert (await reader.read()).startswith(b"421 ")
    writer.close()
    reader, writer = await imap.connect()
    assert (await reader.readline()).startswith(b"('127.0.0.1'")
    writer.close()


async def test_who_was_turned_away_is_turned_away_again_for_a_moment_only(serve: Serve) -> None:
    clock = ManualClock()
    serving = await serve(tell_addresses, "smtp", sweeper=Sweeper(clock, interval_s=0.02))

    async def first_word() -> bytes:
        reader, writer = await serving.connect()
        word = await reader.readline()
        writer.close()
        return word[:3]

    serve.full = True
    assert await first_word() == b"421"
    serve.full = False
    before = REFUSED.labels("smtp")._value.get()
    assert [await first_word() for _ in range(3)] == [b"421"] * 3
    assert REFUSED.labels("smtp")._value.get() == before + 3
    clock.advance(0.2)
    assert await first_word() == b"('1"


async def test_a_client_over_its_limit_costs_no_handshake_on_submissions(serve: Serve) -> None:
    serve.full = True
    serving = await serve(tell_addresses, "submissions")
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", serving.port, ssl=ssl.create_default_context(), server_hostname="x")


V2_TCP4 = (
    SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 12) + bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 1111, 25)
)
V2_TCP6 = (
    SIGNATURE
    + struct.pack("!BBH", 0x21, 0x21, 36 + 7)
    + ipaddress.ip_address("2001:db8::7").packed
    + ipaddress.ip_address("2001:db8::1").packed
    + struct.pack("!HH", 1111, 25)
    + b"\x04\x00\x04TLVs"
)


@pytest.mark.spec_part("DEP-6")
@pytest.mark.parametrize(
    ("header", "ends"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 25\r\n", "('192.0.2.7', 1111, '198.51.100.1', 25)"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1111 25\r\n", "('2001:db8::7', 1111, '2001:db8::1', 25)"),
        (V2_TCP4, "('192.0.2.7', 1111, '198.51.100.1', 25)"),
        (V2_TCP6, "('2001:db8::7', 1111, '2001:db8::1', 25)"),
    ],
)
async def test_a_named_balancer_tells_the_true_ends_and_what_follows_is_kept(serve: Serve, header: bytes, ends: str) -> None:
    serving = await serve(tell_addresses, "smtp", settings(proxy_networks=("127.0.0.0/8",)))
    reader, writer = await serving.connect()
    for octet in header[:-1]:
        writer.write(bytes([octet]))
        await writer.drain()
    writer.write(header[-1:] + b"EHLO me\r\n")
    assert (await reader.readline()).decode().strip() == ends
    assert await reader.readline() == b"EHLO me\r\n"
    writer.close()


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", SIGNATURE + struct.pack("!BBH", 0x20, 0x00, 0)])
async def test_a_balancer_that_speaks_for_itself_keeps_its_own_address(serve: Serve, header: bytes) -> None:
    serving = await serve(tell_addresses, "smtp", settings(proxy_networks=("127.0.0.1",)))
    reader, writer = await serving.connect()
    writer.write(header)
    assert (await reader.readline()).startswith(b"('127.0.0.1'")
    writer.close()


async def test_the_header_may_stand_before_a_tls_handshake(serve: Serve) -> None:
    serving = await serve(tell_addresses, "imaps", settings(proxy_networks=("127.0.0.1",)))
    reader, writer = await serving.connect()
    writer.write(b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 993\r\n")
    await writer.start_tls(serve.client_context(), server_hostname="localhost")
    assert (await reader.readline()).startswith(b"('192.0.2.7', 1111")
    writer.close()


@pytest.mark.parametrize(
    "nonsense", [b"EHLO stranger\r\n", b"PROXY TCP4 a b c d\r\n", b"PROXY " + b"x" * 200, b"\r\n\r\n\0\r\nQUIT!"]
)
async def test_a_balancer_that_sends_no_proper_header_is_cut_off(serve: Serve, nonsense: bytes) -> None:
    serving = await serve(tell_addresses, "smtp", settings(proxy_networks=("127.0.0.1",)))
    reader, writer = await serving.connect()
    writer.write(nonsense)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


async def test_a_balancer_that_dribbles_its_header_has_ten_seconds_in_all(serve: Serve) -> None:
    clock = ManualClock()
    sweeper = Sweeper(clock, interval_s=3600)
    serving = await serve(tell_addresses, "smtp", settings(proxy_networks=("127.0.0.1",)), sweeper)
    reader, writer = await serving.connect()
    ended = asyncio.create_task(reader.read())
    async with asyncio.timeout(60):
        while not any(member.next_deadline_s < NEVER for member in sweeper._members):
            await asyncio.sleep(0.001)
    for octet in b"PROXY TCP4 1":
        assert not ended.done()
        writer.write(bytes([octet]))
        await asyncio.sleep(0.01)
        clock.advance(PROXY_TIMEOUT_S / 10)
        sweeper.sweep()
        await asyncio.sleep(0.01)
        if clock.steady() >= 1000 + PROXY_TIMEOUT_S:
            break
    assert await asyncio.wait_for(ended, 60) == b""
    writer.close()


async def test_a_stranger_that_sends_a_header_is_not_believed(serve: Serve) -> None:
    serving = await serve(tell_addresses, "smtp", settings(proxy_networks=("192.0.2.0/24",)))
    reader, writer = await serving.connect()
    writer.write(b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 25\r\n")
    assert (await reader.readline()).startswith(b"('127.0.0.1'")
    assert (await reader.readline()).startswith(b"PROXY TCP4")
    writer.close()


async def test_drain_accepts_no_more_tells_the_server_and_counts_what_is_open(serve: Serve) -> None:
    serving = await serve(tell_addresses)
    reader, writer = await serving.connect()
    await reader.readline()
    serving.listener.drain()
    assert serving.server.drained.is_set()
    assert serving.listener.open == 1
    with pytest.raises(OSError):
        await serving.connect()
    writer.close()
    async with asyncio.timeout(60):
        while serving.listener.open:
            await asyncio.sleep(0.01)


async def test_a_hundred_connections_leave_nothing_behind(serve: Serve) -> None:
    serving = await serve(tell_addresses)
    before = OPEN.labels("smtp")._value.get()

    async def visit(number: int) -> None:
        reader, writer = await serving.connect()
        await reader.readline()
        if number % 2:
            writer.transport.abort()
        else:
            writer.close()

    await asyncio.gather(*(visit(number) for number in range(100)))
    async with asyncio.timeout(60):
        while serving.listener.open or serving.sweeper.watched:
            await asyncio.sleep(0.01)
    assert OPEN.labels("smtp")._value.get() == before


async def open_from(serving: Serving, client: str) -> tuple[bytes, asyncio.StreamWriter]:
    """The first line that a client hears whom a balancer names."""
    reader, writer = await serving.connect()
    writer.write(f"PROXY TCP6 {client} 2001:db8:ffff::1 40000 143\r\n".encode())
    return await reader.readline(), writer


async def test_attack_one_network_never_takes_all_places_of_a_service(serve: Serve) -> None:
    """From one address every connection of IMAP, POP, ManageSieve and administration could be held, and nobody else came in."""
    chosen = settings(proxy_networks=("127.0.0.1",), trusted_networks=("2001:db8:7::/64",))
    chosen = dataclasses.replace(chosen, imap=dataclasses.replace(chosen.imap, max_connections=10))
    serving = await serve(tell_addresses, "imap", chosen)
    held = [await open_from(serving, f"2001:db8:6::{number}") for number in range(1, 6)]
    assert all(line.startswith(b"('2001:db8:6::") for line, _ in held)
    assert (await open_from(serving, "2001:db8:6::6"))[0].startswith(b"* BYE [UNAVAILABLE]")
    others = [await open_from(serving, "2001:db8:6:1::1")]
    assert others[0][0].startswith(b"('2001:db8:6:1::1")
    held[0][1].close()
    async with asyncio.timeout(60):
        while serving.listener.open > 5:
            await asyncio.sleep(0.01)
    others.append(await open_from(serving, "2001:db8:6::7"))
    assert others[1][0].startswith(b"('2001:db8:6::7")
    for _, writer in held[1:]:
        writer.close()
    async with asyncio.timeout(60):
        while serving.listener.open > 2:
            await asyncio.sleep(0.01)
    trusted = [await open_from(serving, "2001:db8:7::1") for _ in range(7)]
    assert all(line.startswith(b"('2001:db8:7::1") for line, _ in trusted)
    for _, writer in (*others, *trusted):
        writer.close()
