"""Looking at the surroundings: what a stranger's time server or host may answer, and the disk itself."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.backends.probe import SystemProbe
from posthouse.base.errors import Temporary


def probe(folder: Path) -> SystemProbe:
    return SystemProbe(folder, MemoryResolver({("here.test", "A"): ["127.0.0.1"]}))


async def test_the_disk_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    found = await probe(tmp_path).disk()
    assert found.locks and found.databases and found.sync_s and found.options and 0 < found.free_bytes <= found.total_bytes
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "hold"), [(errno.EINVAL, True), (errno.ENOLCK, False), (errno.EOPNOTSUPP, False)])
async def test_a_kernel_without_locks_to_try_is_no_disk_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, hold: bool
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("posthouse.backends.disk.fcntl.fcntl", refused)
    assert (await probe(tmp_path).disk()).locks is hold


async def test_a_host_is_found_by_its_name_and_its_greeting_is_bounded(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 " + b"x" * 5000 + b"\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        assert len(await probe(tmp_path).greeting("here.test", port)) <= 512
        with pytest.raises(Temporary, match="no address"):
            await probe(tmp_path).greeting("nowhere.test", port)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("answer", [b"", b"x", b"\x24\x00" + b"\0" * 46, b"\xff" * 48])
async def test_what_is_no_time_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, peer: object) -> None:
            self.transport.sendto(answer, peer)  # type: ignore[attr-defined]

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        with pytest.raises(Temporary):
            await probe(tmp_path).clock_offset(f"127.0.0.1:{port}")
    finally:
        transport.close()
