"""Many users at once on one node: each delivers, reads and searches; how long they wait (issue of the store: p99 under 250 ms).

    python bench/users.py [--users 200] [--messages 100] [--seconds 20] [--pauses 0.5 0] [--folder /var/tmp/posthouse-bench-users]

Every user holds an IMAP session and, as it would from elsewhere, hands in mail for somebody over SMTP. After each step it rests, on
average the first of ``--pauses`` seconds; then all again with the next (0: nobody ever rests, so the cores are full, the load
generator's own work among it, and what is measured is the queue before them).
The steps: a delivery, SELECT, flags of the last 50, envelopes of 20, one body, STORE \\Seen, SEARCH TEXT of a rare word, SEARCH
UNSEEN, NOOP. Prints a line for each kind with its median and p99, and ends with an error when the first p99 of all is above ``--limit-ms``.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ours import GROUP, PORTS, Ours

LOAD = Path(__file__).resolve().parent / "imap_load.py"
CPU = Path(f"/sys/fs/cgroup/cpuacct/bench/{GROUP}/cpuacct.usage")
TEXT = b"lorem ipsum dolor sit amet consectetur adipiscing elit sed do\r\n" * 60
MESSAGE = (
    b"From: Someone <s@example.com>\r\nTo: User <u@bench.test>\r\nSubject: number %d\r\nDate: Tue, 24 Nov 2026 02:00:00 +0000\r\n"
    b"Message-ID: <%d.%d@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + TEXT
)


class User:
    """One user's two connections; ``waits`` is where all users write how long each step took."""

    def __init__(self, number: int, waits: dict[str, list[float]]) -> None:
        self.number = number
        self.address = f"u{number:02d}@bench.test"
        self.random = random.Random(number)
        self.exists = 1
        self.sent = 0
        self.waits = waits

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORTS["imap"], limit=1 << 24)
        await self.reader.readline()
        await self.imap(f"LOGIN {self.address} pw")
        await self.imap("SELECT INBOX")
        self.from_smtp, self.to_smtp = await asyncio.open_connection("127.0.0.1", PORTS["smtp"])
        await self.reply(b"220")
        self.to_smtp.write(b"EHLO localhost\r\n")
        await self.reply(b"250")

    async def imap(self, text: str) -> None:
        self.writer.write(b"t " + text.encode() + b"\r\n")
        while not (line := await self.reader.readline()).startswith(b"t "):
            assert line, text
            if line.endswith(b"}\r\n"):
                await self.reader.readexactly(int(line[line.rindex(b"{") + 1 : -3]))
            elif line.endswith(b" EXISTS\r\n"):
                self.exists = max(1, int(line.split()[1]))
        assert line.startswith(b"t OK"), (text, line)

    async def reply(self, code: bytes) -> None:
        while (line := await self.from_smtp.readline())[3:4] == b"-":
            pass
        assert line.startswith(code), line

    async def deliver(self, to: str) -> None:
        self.sent += 1
        self.to_smtp.write(b"MAIL FROM:<s@example.com>\r\nRCPT TO:<%b>\r\nDATA\r\n" % to.encode())
        for code in (b"250", b"250", b"354"):
            await self.reply(code)
        self.to_smtp.write(MESSAGE % (self.sent, self.number, self.sent) + b".\r\n")
        await self.reply(b"250")

    async def live(self, users: int, pause_s: float, ends_at: float) -> None:
        await asyncio.sleep(self.random.uniform(0, pause_s))
        while True:
            last, some = self.exists, self.random.randint(1, self.exists)
            steps = {
                "deliver": self.deliver(f"u{self.random.randrange(users):02d}@bench.test"),
                "select": self.imap("SELECT INBOX"),
                "flags": self.imap(f"FETCH {max(1, last - 49)}:{last} (UID FLAGS)"),
                "envelopes": self.imap(f"FETCH {max(1, some - 19)}:{some} (ENVELOPE INTERNALDATE RFC822.SIZE)"),
                "body": self.imap(f"FETCH {some} (BODY.PEEK[])"),
                "store": self.imap(f"STORE {some} {self.random.choice('+-')}FLAGS (\\Seen)"),
                "search text": self.imap("SEARCH TEXT xyzzyplugh"),
                "search unseen": self.imap("SEARCH UNSEEN"),
                "noop": self.imap("NOOP"),
            }
            for name, step in steps.items():
                if time.perf_counter() > ends_at:
                    step.close()
                    continue
                started = time.perf_counter()
                await step
                self.waits[name].append(time.perf_counter() - started)
                if pause_s:
                    await asyncio.sleep(self.random.uniform(0.5 * pause_s, 1.5 * pause_s))
            if time.perf_counter() > ends_at:
                return


async def load(users: int, pause_s: float, seconds: float) -> tuple[dict[str, list[float]], float]:
    """How long each step took, and the node's CPU as a share of one core."""
    waits: dict[str, list[float]] = collections.defaultdict(list)
    crowd = [User(number, waits) for number in range(users)]
    for first in range(0, users, 20):
        await asyncio.gather(*(user.open() for user in crowd[first : first + 20]))
    used, started = int(CPU.read_text()), time.perf_counter()
    await asyncio.gather(*(user.live(users, pause_s, started + seconds) for user in crowd))
    share = (int(CPU.read_text()) - used) / 1e9 / (time.perf_counter() - started)
    for user in crowd:
        user.writer.close()
        user.to_smtp.close()
    return waits, share


def fill(users: int, messages: int, ours: Ours) -> None:
    for user in range(users):
        words = ("--port", str(PORTS["imap"]), "--user", f"u{user:02d}@bench.test", "--do", "fill", "--count", str(messages))
        done = subprocess.run([sys.executable, str(LOAD), *words], capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
    while not json.loads(ours.run("search", "status", "--json"))["complete"]:
        time.sleep(0.1)


def told(name: str, waits: list[float]) -> float:
    """Prints a line; gives p99 in milliseconds."""
    waits = sorted(waits)
    p50, p99 = (waits[int(share * (len(waits) - 1))] * 1e3 for share in (0.5, 0.99))
    print(f"{name:16}{len(waits):8}{p50:10.1f}{p99:10.1f}{waits[-1] * 1e3:10.1f}", flush=True)
    return p99


def take(users: int, pause_s: float, seconds: float) -> float:
    """One measurement; prints it, and gives p99 of all steps in milliseconds."""
    waits, share = uvloop.run(load(users, pause_s, seconds))
    every = [wait for some in waits.values() for wait in some]
    print(f"{users} users that rest {pause_s} s: {len(every) / seconds:.0f} steps/s, the node uses {share:.2f} cores")
    print(f"{'step':16}{'count':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}")
    for name, some in waits.items():
        told(name, some)
    return told("all", every)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pauses", type=float, nargs="+", default=[0.5, 0.0])
    parser.add_argument("--limit-ms", type=float, default=250)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-bench-users"))
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    ours = Ours(args.folder, 0, users=args.users)
    try:
        ours.start()
        fill(args.users, args.messages, ours)
        worst = [take(args.users, pause_s, args.seconds) for pause_s in args.pauses]
    finally:
        ours.stop()
        shutil.rmtree(args.folder, ignore_errors=True)
    if worst[0] > args.limit_ms:
        sys.exit(f"p99 is above {args.limit_ms:.0f} ms")


if __name__ == "__main__":
    main()
