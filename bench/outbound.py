"""The outbound queue's speed: messages of 4 KiB to 20 destinations, all of them Postfix's smtp-sink on loopback.

    python bench/outbound.py [--count 3000] [--size 4096] [--rounds 3] [--folder /var/tmp/posthouse-bench-out] [--profile FILE]
                             [--peer] [--backlog 1000000 [--overdue]]

`drain`: all messages wait in the queue, then the sink comes up. `flow`: they are submitted and sent at the same time. CPU is
of the whole node, a message. Prints a line of JSON a round. `--profile` records the steward with py-spy while it drains.
`--peer`: Postfix does the same in turn, and the last line gives medians and ratios. `--backlog`: so many messages to a dead
destination are put into the queue (straight into the database, from one that came in): their room, the start, and what live
traffic keeps of its speed; `--overdue`: all of it is due at once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import apsw

sys.path.insert(0, str(Path(__file__).resolve().parent))
from postfix_out import Postfix

ROOT = Path(__file__).resolve().parent.parent
POSTHOUSE = str(Path(sys.executable).parent / "posthouse")
DESTINATIONS = 20
ALONE_S = 10
"""How long the node is watched with the backlog alone."""
TICK = os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, folder: Path, count: int, size: int) -> None:
        self.folder, self.count, self.size = folder, count, size
        self.rates: dict[str, list[float]] = {}
        self.config = folder / "node.toml"
        self.smtp, self.sink_port = free_port(), free_port()
        folder.mkdir(parents=True)
        self.config.write_text(
            f'[node]\nname = "mx.bench.test"\ndata = "data"\nroles = ["all"]\n[listen]\nsmtp = "127.0.0.1:{self.smtp}"\n'
        )
        self.process = serve(self.config)
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

    def submit(self, port: int = 0) -> list[subprocess.Popen[bytes]]:
        each = self.count // DESTINATIONS
        base = ["smtp-source", "-d", "-s", "2", "-l", str(self.size), "-m", str(each), "-f", "s@example.com"]
        return [subprocess.Popen([*base, "-t", f"u@d{n}.test", f"127.0.0.1:{port or self.smtp}"]) for n in range(1, DESTINATIONS + 1)]

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
        self.rates.setdefault(label.partition(",")[0], []).append(self.count / took)
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

    def backlog(self, count: int, *, overdue: bool) -> None:
        """Puts ``count`` copies of one queued message to a dead destination beside it, restarts, and measures. ``overdue``: all
        of them are due, as after a long stop; else one after the other within four hours."""
        self.shell(f"route add dead.test 127.0.9.9:{free_port()}")  # nobody listens there: the sink is on all of 127.0.0.0/8
        subprocess.run(["smtp-source", "-l", str(self.size), "-m", "1", "-f", "s@example.com", "-t", "u@dead.test",
                        f"127.0.0.1:{self.smtp}"], check=True)  # fmt: skip
        self.until_empty("SELECT count(*) FROM queued_recipient WHERE attempts = 0")
        with self.sink():
            rates = [self.live() for _ in range(3)]
        self.stop()
        before = folder_bytes(self.folder)
        writer = apsw.Connection(str(self.folder / "data/mail.db"))
        columns = [row[1] for row in writer.execute("PRAGMA table_info(queued_recipient)")]
        others = ", ".join(name for name in columns if name not in ("recipient_id", "queue_id", "next_attempt_at"))
        names = [row[1] for row in writer.execute("PRAGMA table_info(queued)")]
        rest = ", ".join(name for name in names if name != "queue_id")
        with writer:
            numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
            one = "(SELECT queue_id FROM queued_recipient LIMIT 1)"
            writer.execute(f"{numbers} INSERT INTO queued (queue_id, {rest}) SELECT 'B' || n.i, {rest} FROM n, queued WHERE queue_id = {one}")
            writer.execute(
                f"{numbers} INSERT INTO queued_recipient (queue_id, next_attempt_at, {others}) SELECT 'B' || n.i,"
                f" unixepoch() {'-' if overdue else '+'} n.i % 14400, {others} FROM n, queued_recipient WHERE queue_id = {one}"
            )
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.close()
        room = folder_bytes(self.folder) - before
        start = time.monotonic()
        self.process = serve(self.config)
        started = time.monotonic() - start
        self.database = apsw.Connection(str(self.folder / "data/mail.db"), apsw.SQLITE_OPEN_READONLY)
        cpu = self.cpu_s()
        time.sleep(ALONE_S)  # the backlog by itself
        idle = (self.cpu_s() - cpu) / ALONE_S
        with self.sink():
            beside = [self.live() for _ in range(3)]
        tried = self.one("SELECT count(*) FROM queued_recipient WHERE attempts > 1")
        out = {"bench": "outbound backlog", "count": count, "bytes_a_message": round(room / count), "gib": round(room / 2**30, 2),
               "start_s": round(started, 2), "backlog_cpu_share": round(idle, 3), "put_off": tried,
               "alone_per_s": round(max(rate for rate, _ in rates)), "beside_per_s": round(max(rate for rate, _ in beside)),
               "alone_cpu_ms": round(statistics.median(cpu for _, cpu in rates), 2),
               "beside_cpu_ms": round(statistics.median(cpu for _, cpu in beside), 2),
               "kept": round(max(rate for rate, _ in beside) / max(rate for rate, _ in rates), 2)}  # fmt: skip
        print(json.dumps(out), flush=True)

    def live(self) -> tuple[float, float]:
        """Messages a second that come in and leave at once, and milliseconds of processor time a message. New ones have the
        largest ids."""
        newer = f"SELECT count(*) FROM queued_recipient WHERE recipient_id > {self.one('SELECT max(recipient_id) FROM queued_recipient')}"
        start, cpu = time.monotonic(), self.cpu_s()
        for source in self.submit():
            assert source.wait() == 0
        while self.one(newer):
            time.sleep(0.02)
        return self.count / (time.monotonic() - start), (self.cpu_s() - cpu) / self.count * 1e3

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


class Peer:
    """The same rounds with Postfix."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.port = free_port()
        self.postfix = Postfix(folder, self.port, bench.sink_port, DESTINATIONS)
        self.rates: dict[str, list[float]] = {}

    def told(self, label: str, start: float, cpu: float) -> None:
        took = time.monotonic() - start
        self.rates.setdefault(label, []).append(self.bench.count / took)
        out = {"bench": "outbound postfix", "label": label, "seconds": round(took, 2), "per_s": round(self.bench.count / took),
               "cpu_ms_per_msg": round((self.postfix.cpu_s() - cpu) / self.bench.count * 1e3, 2)}  # fmt: skip
        print(json.dumps(out), flush=True)

    def drain(self) -> None:
        self.postfix.hold_back(on=True)
        for source in self.bench.submit(self.port):
            assert source.wait() == 0
        while self.postfix.waiting("maildrop", "incoming", "active"):
            time.sleep(0.1)
        self.postfix.hold_back(on=False)
        with self.bench.sink():
            start, cpu = time.monotonic(), self.postfix.cpu_s()
            self.postfix.flush()
            while self.postfix.waiting():
                time.sleep(0.02)
            self.told("drain", start, cpu)

    def flow(self) -> None:
        with self.bench.sink():
            start, cpu = time.monotonic(), self.postfix.cpu_s()
            for source in self.bench.submit(self.port):
                assert source.wait() == 0
            while self.postfix.waiting():
                time.sleep(0.02)
            self.told("flow", start, cpu)


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())


def serve(config: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([POSTHOUSE, "serve", "--config", str(config)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    return process


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
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--backlog", type=int, default=0)
    parser.add_argument("--overdue", action="store_true")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    bench = Bench(args.folder, args.count, args.size)
    peer = None
    try:
        if args.peer:
            peer_folder = args.folder.with_name(args.folder.name + "-postfix")
            shutil.rmtree(peer_folder, ignore_errors=True)
            peer = Peer(bench, peer_folder)
        for _ in range(args.rounds):
            bench.drain(args.profile)
            bench.flow()
            if peer is not None:
                peer.drain()
                peer.flow()
        if peer is not None:
            ours, theirs = ({label: statistics.median(rates) for label, rates in each.rates.items()} for each in (bench, peer))
            print(json.dumps({"bench": "outbound", "ratios": {label: round(ours[label] / theirs[label], 2) for label in theirs}}))
        if args.backlog:
            bench.backlog(args.backlog, overdue=args.overdue)
    finally:
        if peer is not None:
            peer.postfix.stop()
        bench.stop()
        shutil.rmtree(args.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
