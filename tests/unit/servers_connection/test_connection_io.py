"""Connections in clear text over real sockets: reading, coalesced writing, back-pressure, time-outs, ends."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import zlib

import pytest

from posthouse.base.clock import ManualClock
from posthouse.servers import connection as module
from posthouse.servers.connection import Connection
from posthouse.servers.sweeper import Sweeper
from support.listening import Serve


async def echo(connection: Connection) -> None:
    while data := await connection.read(30):
        connection.write(data)
        await connection.drain()


async def test_what_the_client_sends_is_read_and_writes_come_back_in_order(serve: Serve) -> None:
    serving = await serve(echo)
    reader, writer = await serving.connect()
    payload = bytes(range(256)) * 4096
    writer.write(payload)
    assert await reader.readexactly(len(payload)) == payload
    writer.close()


async def test_no_chunk_is_longer_than_64_kib(serve: Serve) -> None:
    sizes: list[int] = []
    done = asyncio.Event()

    async def handler(connection: Connection) -> None:
        while data := await connection.read(30):
            sizes.append(len(data))
        done.set()

    serving = await serve(handler)
    _, writer = await serving.connect()
    writer.write(b"x" * 1_000_000)
    writer.write_eof()
    await asyncio.wait_for(done.wait(), 60)
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 65_536
    writer.close()


async def test_end_of_stream_is_read_as_nothing_and_the_reply_still_gets_out(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        while await connection.read(30):
            pass
        connection.write(b"221 bye\r\n")

    serving = await serve(handler)
    reader, writer = await serving.connect()
    writer.write(b"QUIT\r\n")
    writer.write_eof()
    assert await reader.read() == b"221 bye\r\n"
    writer.close()


async def test_addresses_of_both_ends_are_known(serve: Serve) -> None:
    seen: list[tuple[str, int, str, int]] = []

    async def handler(connection: Connection) -> None:
        seen.append((connection.client_address, connection.client_port, connection.server_address, connection.server_port))

    serving = await serve(handler)
    reader, writer = await serving.connect()
    own_port = writer.get_extra_info("sockname")[1]
    assert await reader.read() == b""
    writer.close()
    assert seen == [("127.0.0.1", own_port, "127.0.0.1", serving.port)]


async def test_silence_raises_timeout_error_when_the_sweeper_comes_round(serve: Serve) -> None:
    clock = ManualClock()
    sweeper = Sweeper(clock, interval_s=3600)
    outcome: list[BaseException] = []
    waiting = asyncio.Event()
    over = asyncio.Event()

    async def handler(connection: Connection) -> None:
        waiting.set()
        try:
            await connection.read(300)
        except TimeoutError as error:
            outcome.append(error)
            connection.write(b"421 too slow\r\n")
        over.set()

    serving = await serve(handler, sweeper=sweeper)
    reader, writer = await serving.connect()
    await waiting.wait()
    clock.advance(299)
    sweeper.sweep()
    await asyncio.sleep(0)
    assert not over.is_set()
    clock.advance(2)
    sweeper.sweep()
    await asyncio.wait_for(over.wait(), 60)
    assert len(outcome) == 1
    assert await reader.read() == b"421 too slow\r\n"
    writer.close()


async def test_a_time_out_of_one_read_does_not_hang_over_the_next(serve: Serve) -> None:
    clock = ManualClock()
    sweeper = Sweeper(clock, interval_s=3600)
    got: list[bytes] = []
    step = asyncio.Event()

    async def handler(connection: Connection) -> None:
        got.append(await connection.read(10))
        step.set()
        got.append(await connection.read(100))
        step.set()

    serving = await serve(handler, sweeper=sweeper)
    _, writer = await serving.connect()
    writer.write(b"one")
    await asyncio.wait_for(step.wait(), 60)
    step.clear()
    clock.advance(50)
    sweeper.sweep()
    writer.write(b"two")
    await asyncio.wait_for(step.wait(), 60)
    assert got == [b"one", b"two"]
    writer.close()


async def test_a_reset_by_the_client_raises_oserror_in_read(serve: Serve) -> None:
    failed: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        try:
            while await connection.read(30):
                pass
        except OSError as error:
            failed.set_result(error)
            raise

    serving = await serve(handler)
    _, writer = await serving.connect()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.write(b"x")
    await writer.drain()
    writer.transport.abort()
    error = await asyncio.wait_for(failed, 60)
    assert not isinstance(error, TimeoutError)


async def test_a_client_that_sends_without_end_is_held_back(serve: Serve) -> None:
    release = asyncio.Event()
    total = 0
    done = asyncio.Event()

    async def handler(connection: Connection) -> None:
        nonlocal total
        await release.wait()
        while data := await connection.read(30):
            total += len(data)
        done.set()

    serving = await serve(handler)
    _, writer = await serving.connect()
    flood = 64 << 20
    sent = asyncio.create_task(send_all(writer, flood))
    finished, _ = await asyncio.wait({sent}, timeout=0.5)
    assert not finished
    connection = next(iter(serving.listener._tasks))
    assert connection._inbox.size_bytes <= 2 * module.HIGH_WATER_BYTES + module.CHUNK_BYTES
    release.set()
    await asyncio.wait_for(done.wait(), 20)
    assert total == flood
    await sent
    writer.close()


async def send_all(writer: asyncio.StreamWriter, size: int) -> None:
    for _ in range(size >> 20):
        writer.write(b"y" * (1 << 20))
        await writer.drain()
    writer.write_eof()


async def test_drain_waits_for_a_client_that_does_not_read_and_goes_on_when_it_does(serve: Serve) -> None:
    blocked = asyncio.Event()
    passed = asyncio.Event()

    async def handler(connection: Connection) -> None:
        for _ in range(32):
            connection.write(b"z" * (1 << 20))
            waiting = asyncio.create_task(connection.drain())
            done, _ = await asyncio.wait({waiting}, timeout=0.3)
            if not done:
                blocked.set()
            await waiting
        passed.set()

    serving = await serve(handler)
    reader, writer = await serving.connect()
    await asyncio.wait_for(blocked.wait(), 20)
    assert not passed.is_set()
    assert len(await reader.read(-1)) == 32 << 20
    await asyncio.wait_for(passed.wait(), 60)
    writer.close()


async def test_drain_gives_up_on_a_client_that_never_reads(serve: Serve) -> None:
    clock = ManualClock()
    sweeper = Sweeper(clock, interval_s=3600)
    gave_up: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        try:
            while True:
                connection.write(b"z" * (1 << 20))
                await connection.drain()
        except TimeoutError:
            gave_up.set_result(True)
            connection.abort()

    serving = await serve(handler, sweeper=sweeper)
    _, writer = await serving.connect()
    async with asyncio.timeout(60):
        while not gave_up.done():
            await asyncio.sleep(0.02)
            if any(member.next_deadline_s < float("inf") for member in sweeper._members):
                clock.advance(module.WRITE_TIMEOUT_S + 1)
                sweeper.sweep()
    assert await gave_up
    writer.close()


async def test_many_small_writes_leave_as_one(serve: Serve) -> None:
    writes: list[int] = []

    async def handler(connection: Connection) -> None:
        real = connection._transport.write

        class Counting:
            def __getattr__(self, name: str) -> object:
                return getattr(transport, name)

            def write(self, data: bytes) -> None:
                writes.append(len(data))
                real(data)

        transport = connection._transport
        connection._transport = Counting()  # type: ignore[assignment]
        for _ in range(100):
            connection.write(b"0123456789")
        await connection.read(30)

    serving = await serve(handler)
    reader, writer = await serving.connect()
    assert len(await reader.readexactly(1000)) == 1000
    writer.write(b"x")
    assert await reader.read() == b""
    assert writes == [1000]
    writer.close()


async def test_closing_with_unread_octets_does_not_destroy_the_last_reply(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        await connection.read(30)
        connection.write(b"421 go away\r\n")
        connection.close()

    serving = await serve(handler)
    reader, writer = await serving.connect()
    writer.write(b"n" * 600_000)
    assert await reader.readline() == b"421 go away\r\n"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_closing_is_idempotent_and_writes_after_it_are_dropped(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        connection.write(b"one")
        connection.close()
        assert connection.closing
        connection.write(b"two")
        connection.close()
        with pytest.raises(OSError, match="closed here"):
            await connection.read(1)

    serving = await serve(handler)
    reader, writer = await serving.connect()
    assert await reader.read() == b"one"
    writer.close()


async def test_a_client_that_ignores_the_close_is_cut_off(serve: Serve) -> None:
    clock = ManualClock()
    sweeper = Sweeper(clock, interval_s=3600)
    closed = asyncio.Event()

    async def handler(connection: Connection) -> None:
        for _ in range(16):
            connection.write(b"z" * (1 << 20))
        connection.close()
        closed.set()

    serving = await serve(handler, sweeper=sweeper)
    _, writer = await serving.connect()
    await closed.wait()
    assert sweeper.watched == 1
    clock.advance(module.CLOSE_TIMEOUT_S + 1)
    sweeper.sweep()
    async with asyncio.timeout(60):
        while sweeper.watched:
            await asyncio.sleep(0.01)
    writer.close()


async def test_a_failing_handler_closes_only_its_own_connection(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        if await connection.read(30) == b"bad":
            raise RuntimeError("a fault")
        connection.write(b"fine")

    serving = await serve(handler)
    bad_reader, bad_writer = await serving.connect()
    good_reader, good_writer = await serving.connect()
    bad_writer.write(b"bad")
    assert await bad_reader.read() == b""
    good_writer.write(b"good")
    assert await good_reader.read() == b"fine"
    bad_writer.close()
    good_writer.close()


async def test_compressed_both_ways_after_start_deflate(serve: Serve) -> None:
    import zlib

    async def handler(connection: Connection) -> None:
        connection.write(b"OK begin\r\n")
        connection.start_deflate()
        await echo(connection)

    serving = await serve(handler)
    reader, writer = await serving.connect()
    assert await reader.readline() == b"OK begin\r\n"
    deflater, inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
    text = b"NOOP\r\n" * 100_000
    writer.write(deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))
    got = b""
    async with asyncio.timeout(60):
        while len(got) < len(text):
            got += inflater.decompress(await reader.read(65_536))
    assert got == text
    writer.close()


async def test_a_deflate_bomb_is_unpacked_only_as_fast_as_it_is_read(serve: Serve) -> None:
    import zlib

    chunks: list[int] = []
    done = asyncio.Event()

    async def handler(connection: Connection) -> None:
        connection.start_deflate()
        while data := await connection.read(30):
            chunks.append(len(data))
        done.set()

    serving = await serve(handler)
    _, writer = await serving.connect()
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(b"\0" * (100 << 20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 200_000
    writer.write(bomb)
    writer.write_eof()
    await asyncio.wait_for(done.wait(), 30)
    assert sum(chunks) == 100 << 20
    assert max(chunks) <= 65_536
    writer.close()


async def test_what_is_no_deflate_stream_raises_oserror(serve: Serve) -> None:
    failed = asyncio.Event()

    async def handler(connection: Connection) -> None:
        connection.start_deflate()
        try:
            await connection.read(30)
        except OSError:
            failed.set()

    serving = await serve(handler)
    _, writer = await serving.connect()
    writer.write(b"\xff" * 100)
    await asyncio.wait_for(failed.wait(), 60)
    writer.close()


@pytest.mark.parametrize("compressed", [True, False])
async def test_attack_a_large_answer_does_not_hold_up_the_others(serve: Serve, *, compressed: bool) -> None:
    """Thirty megabytes were compressed, or encrypted, in one go: a second in which nobody else was served."""
    turns: list[int] = []
    answer = random.Random(7).randbytes(1 << 20) * 8

    async def handler(connection: Connection) -> None:
        await connection.read(30)
        if compressed:
            connection.start_deflate()
        connection.write(answer)
        others = asyncio.create_task(count(turns))
        await connection.drain()
        others.cancel()
        connection.write(b"end")

    serving = await serve(handler)
    reader, writer = await serving.connect()
    writer.write(b"go\r\n")
    received = await reader.read()
    assert (zlib.decompressobj(-15).decompress(received) if compressed else received) == answer + b"end"
    assert len(turns) > 30 if compressed else True
    writer.close()


async def count(turns: list[int]) -> None:
    while True:
        await asyncio.sleep(0)
        turns.append(1)


async def test_what_is_written_while_a_large_answer_goes_out_follows_it(serve: Serve) -> None:
    async def handler(connection: Connection) -> None:
        await connection.read(30)
        connection.start_deflate()
        for number in range(50):
            connection.write(b"%d" % number * 100_000)
            connection.write(b"|")
            await asyncio.sleep(0)

    serving = await serve(handler)
    reader, writer = await serving.connect()
    writer.write(b"go\r\n")
    expected = b"".join(b"%d" % number * 100_000 + b"|" for number in range(50))
    assert zlib.decompressobj(-15).decompress(await reader.read()) == expected
    writer.close()
