"""The outbound queue's speed: messages of 4 KiB to 20 destinations, all of them Postfix's smtp-sink on loopback.

    python bench/outbound.py [--count 3000] [--size 4096] [--rounds 3] [--folder /var/tmp/posthouse-bench-out] [--profile FILE]

`drain`: all messages wait in the queue, then the sink comes up. `flow`: they are submitted and sent at the same time. CPU is
of the whole node, a message. Prints a line of JSON a round. `--profile` records the steward with py-spy while it drains.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import apsw

ROOT = Path(__file__).resolve().parent.parent
POSTHOUSE = str(ROOT / ".venv/bin/posthouse")
DESTINATIONS = 20
TICK = os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, folder: Path, count: int, size: int) -> None:
        self.folder, self.count, self.size = folder, count, size
        self.config = folder / "node.toml"
        self.smtp, self.sink_port = free_port(), free_port()
        folder.mkdir(parents=True)
        self.config.write_text(
            f'[node]\nname = "mx.bench.test"\ndata = "data"\nroles = ["all"]\n[listen]\nsmtp = "127.0.0.1:{self.smtp}"\n'
        )
        self.process = subprocess.Popen([POSTHOUSE, "serve", "--config", str(self.config)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready")
        routes = [f"route add d{n}.test 127.0.1.{n}:{self.sink_port}" for n in range(1, DESTINATIONS + 1)]
        settings = ["setting set queue.first_retry_s 3600", "setting set queue.max_retry_s 3600"]
        self.shell(*routes, *settings)
        self.database = apsw.Connection(str(folder / "data/mail.db"), apsw.SQLITE_OPEN_READONLY)

    def shell(self, *lines: str) -> None:
        done = subprocess.run(
            [POSTHOUSE, "--config", str(self.config), "shell"], input="\n".join(lines) + "\n", text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr

    def one(self, sql: str) -> int:
        return int(str(self.database.execute(sql).get))

    def cpu_s(self) -> float:
        pids = [self.process.pid, *self.children()]
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICK

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def submit(self) -> list[subprocess.Popen[bytes]]:
        each = self.count // DESTINATIONS
        base = ["smtp-source", "-d", "-s", "2", "-l", str(self.size), "-m", str(each), "-f", "s@example.com"]
        return [subprocess.Popen([*base, "-t", f"u@d{n}.test", f"127.0.0.1:{self.smtp}"]) for n in range(1, DESTINATIONS + 1)]

    @contextlib.contextmanager
    def sink(self):  # type: ignore[no-untyped-def]
        process = subprocess.Popen(["smtp-sink", "-u", "nobody", f"0.0.0.0:{self.sink_port}", "1000"])
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.1.1", self.sink_port)):
                break
            time.sleep(0.02)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    def until_empty(self, what: str = "SELECT count(*) FROM queued_recipient") -> None:
        while self.one(what):
            time.sleep(0.02)

    def told(self, label: str, start: float, cpu: float) -> None:
        took = time.monotonic() - start
        out = {"bench": "outbound", "label": label, "count": self.count, "size": self.size, "seconds": round(took, 2),
               "per_s": round(self.count / took), "cpu_ms_per_msg": round((self.cpu_s() - cpu) / self.count * 1e3, 2)}  # fmt: skip
        print(json.dumps(out), flush=True)

    def drain(self, profile: str) -> None:
        for source in self.submit():
            assert source.wait() == 0
        self.until_empty("SELECT count(*) FROM queued_recipient WHERE attempts = 0")
        with self.sink():
            start, cpu = time.monotonic(), self.cpu_s()
            recorder = None
            if profile:
                steward = min(self.children())  # it is started first
                command = [str(ROOT / ".venv/bin/py-spy"), "record", "-p", str(steward), "-o", profile, "-f", "raw", "-r", "200"]
                recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(1)
                start, cpu = time.monotonic(), self.cpu_s()
            self.shell("queue retry")
            self.until_empty()
            self.told("drain", start, cpu)
            if recorder is not None:
                recorder.send_signal(signal.SIGINT)
                recorder.wait(30)

    def flow(self) -> None:
        with self.sink():
            start, cpu = time.monotonic(), self.cpu_s()
            for source in self.submit():
                assert source.wait() == 0
            accepted = time.monotonic() - start
            self.until_empty()
            self.told(f"flow, accepted after {accepted:.2f} s", start, cpu)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-bench-out"))
    parser.add_argument("--profile", default="")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    bench = Bench(args.folder, args.count, args.size)
    try:
        for _ in range(args.rounds):
            bench.drain(args.profile)
            bench.flow()
    finally:
        bench.stop()
        shutil.rmtree(args.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
