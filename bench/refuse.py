"""What a connection costs that NET-1 refuses: CPU of the worker in user mode, beside a bare accept-and-close on the same loop.

    python bench/refuse.py [connections]

One worker; the client holds as many connections as are allowed, then opens and reads more, from the same address, in a process of
its own. "Beyond the kernel's" is the time in user mode (utime of /proc/PID/stat); the kernel's own work is shown beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.node import Node, until

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> tuple[float, float]:
    """User and kernel time of a process and its threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) / TICK, int(words[12]) / TICK


def knock(port: int, count: int, answered: bytes) -> None:
    wrong = 0
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            data = b""
            while chunk := peer.recv(4096):
                data += chunk
            wrong += not data.startswith(answered)
    assert wrong == 0, f"{wrong} of {count} were not answered by {answered!r}"


def measured(pid: int, port: int, answered: bytes) -> tuple[float, float, float]:
    """Microseconds in user mode and in the kernel for one connection, and connections a second."""
    knock(port, 2000, answered)
    user, kernel = cpu_s(pid)
    began = time.monotonic()
    client = multiprocessing.Process(target=knock, args=(port, COUNT, answered))
    client.start()
    client.join()
    assert client.exitcode == 0
    took = time.monotonic() - began
    user2, kernel2 = cpu_s(pid)
    return (user2 - user) / COUNT * 1e6, (kernel2 - kernel) / COUNT * 1e6, COUNT / took


def bare(ready: object) -> None:
    """A listener on the same loop that says goodbye to everybody."""
    import asyncio

    import uvloop

    class Goodbye(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.write(b"421 4.3.2 bye\r\n")
            transport.close()

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Goodbye, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def main() -> None:
    mine, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=bare, args=(theirs,), daemon=True)
    server.start()
    port = mine.recv()
    print(f"bare accept and close:  {told(measured(server.pid, port, b'421'))}")
    server.terminate()
    with tempfile.TemporaryDirectory() as folder, Node(Path(folder) / "node", services=("smtp",), workers=1) as node:
        port = node.ports["smtp"]
        [worker] = [row["pid"] for row in node.json("node", "status")["processes"] if row["name"].startswith("worker")]
        node.run("smtp", "set", "max_open_per_address", "3")
        node.run("smtp", "set", "dos_prevention", "on")
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        until(lambda: refused(port))
        print(f"refused by NET-1:       {told(measured(worker, port, b'421'))}")
        for peer in held:
            peer.close()


def refused(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        return peer.recv(100).startswith(b"421")


def told(found: tuple[float, float, float]) -> str:
    user, kernel, rate = found
    return f"{user:5.1f} us in user mode, {kernel:5.1f} us in the kernel, {rate:,.0f} connections/s"


if __name__ == "__main__":
    main()
