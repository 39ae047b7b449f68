"""A real node for system tests: `posthouse serve` in a temporary folder, on ports that the kernel picks.

Everything goes through the contract: node.toml, the `ready` line, operations by the command line.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import poplib
import select
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

POSTHOUSE = [str(Path(sys.executable).parent / "posthouse")]
SERVICES = ("smtp", "lmtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
PASSWORD = "correct horse 7"


class Node:
    """One node. Use as a context manager; `start` and `kill` may alternate."""

    def __init__(
        self,
        folder: Path,
        *,
        services: tuple[str, ...] = SERVICES,
        workers: int = 2,
        name: str = "mx.example.test",
        extra: str = "",
    ) -> None:
        self.folder = folder
        self.config = folder / "node.toml"
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[str] | None = None
        listen = "\n".join(f'{service} = "127.0.0.1:0"' for service in services)
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f'[node]\nname = "{name}"\ndata = "data"\nroles = ["all"]\nworkers = {workers}\n'
            f'[listen]\n{listen}\n[database]\nurl = "sqlite"\n{extra}\n'
        )

    def start(self, timeout_s: float = 90.0) -> None:
        """Starts the node and waits for its `ready` line."""
        log = (self.folder / "node.log").open("ab")
        self.process = subprocess.Popen(
            [*POSTHOUSE, "serve", "--config", str(self.config)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], timeout_s)
        line = self.process.stdout.readline() if readable else ""
        assert line.startswith("ready"), f"no ready line but {line!r}: {self.log()[-2000:]}"
        for word in line.split()[1:]:
            service, _, address = word.partition("=")
            self.ports[service] = int(address.rpartition(":")[2])

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM, and the exit status after draining."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.forget()

    def kill(self, at_once: Callable[[], None] | None = None) -> None:
        """SIGKILL to every process of the node at once, as a crash would; returns when all have ended. ``at_once`` is what else
        happens at that moment."""
        assert self.process is not None
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if at_once is not None:
            at_once()
        self.process.wait(60)
        self.forget()
        until(lambda: not any(is_alive(pid) for pid in pids), timeout_s=60, step_s=0.005)

    def forget(self) -> None:
        """Its processes have ended, or do now."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(60)
            if self.process.stdout is not None:
                self.process.stdout.close()
        self.process = None

    def pids(self) -> list[int]:
        """The supervisor first, then its children."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [pid, *(int(word) for word in (children.read_text() if children.exists() else "").split())]

    def pss_kib(self) -> int:
        """Proportional memory of all processes of the node."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def log(self) -> str:
        path = self.folder / "node.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, *words: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """One operation by the command line."""
        done = subprocess.run(
            [*POSTHOUSE, "--config", str(self.config), *words], input=stdin, capture_output=True, text=True, timeout=100
        )
        if check:
            assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def add_user(self, address: str, password: str = PASSWORD) -> None:
        self.run("user", "add", address, "--password", password)

    def smtp(self, service: str = "smtp") -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.ports[service], timeout=60)

    def imap(self, login: str = "", password: str = PASSWORD) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=60)
        if login:
            client.login(f'"{login}"', password)
        return client

    def pop(self, login: str = "", password: str = PASSWORD) -> poplib.POP3:
        client = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=60)
        if login:
            client.user(login)
            client.pass_(password)
        return client

    def send(self, recipient: str, message: str, sender: str = "stranger@elsewhere.test") -> None:
        with self.smtp() as client:
            client.sendmail(sender, [recipient], message.encode())

    def __enter__(self) -> Node:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self.kill()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Any, timeout_s: float = 60.0, step_s: float = 0.05) -> Any:
    """Polls until `condition()` is true and gives its value; fails after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(step_s)
    raise AssertionError(f"not true within {timeout_s} s")


@contextlib.contextmanager
def running(folder: Path, **options: Any) -> Iterator[Node]:
    """A started node with two domains and two users, jane@example.test and omar@example.org."""
    node = Node(folder, **options)
    with node:
        node.run(
            "shell",
            stdin="domain add example.test\ndomain add example.org\n"
            f"user add jane@example.test --password '{PASSWORD}'\nuser add omar@example.org --password '{PASSWORD}'\n",
        )
        yield node
