"""Real database servers on loopback for tests: PostgreSQL, and Redis (the Debian package of this protocol's server).

PostgreSQL does not run as root; for root it runs as the package's user. Nothing is kept, and nothing outlives its test run.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import redis


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _programs() -> Path:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]


class Server:
    """One process that can be killed, stopped for a while, and started again on the same port."""

    def __init__(self, command: list[str], port: int, user: str = "") -> None:
        self._command = command
        self._user = user or None
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self._user, cwd="/"
        )

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGINT)  # PostgreSQL's fast end: it waits for no client
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(60)
            self.process = None


def _until_it_answers(check: object, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while True:
        try:
            check()  # type: ignore[operator]
            return
        except (psycopg.OperationalError, redis.RedisError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def postgres() -> Iterator[tuple[Server, str]]:
    """A server with an empty database, and its URL."""
    programs, port = _programs(), free_port()
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="ph-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, user)
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-A", "trust", "--no-sync", "-U", "posthouse", "-E", "UTF8", "--locale=C.UTF-8"],
        check=True, capture_output=True, user=user if os.getuid() == 0 else None, cwd="/",
    )  # fmt: skip
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", f"unix_socket_directories={folder}"]
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *options]
    server = Server(command, port, user if os.getuid() == 0 else "")
    url = f"postgresql://posthouse@127.0.0.1:{port}/postgres"
    server.start()
    try:
        _until_it_answers(lambda: psycopg.connect(url, connect_timeout=2).close())
        yield server, url
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def valkey() -> Iterator[tuple[Server, str]]:
    """An empty server, and its URL."""
    port = free_port()
    server = Server(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"], port)
    server.start()
    try:
        _until_it_answers(lambda: redis.Redis(port=port).ping())
        yield server, f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
