"""How far one node goes: many idle IMAP connections, a very large mailbox, POP logins. Ours alone; prints lines of JSON.

    python bench/scale.py [--idle 10000] [--messages 1000000] [--folder /var/tmp/posthouse-bench-scale]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import poplib
import resource
import shutil
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ours import GROUP, PORTS, Ours

CGROUP = Path(f"/sys/fs/cgroup/cpuacct/bench/{GROUP}/cgroup.procs")


def pss_kib() -> int:
    total = 0
    for pid in CGROUP.read_text().split():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


async def command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> list[bytes]:
    writer.write(b"t " + text.encode() + b"\r\n")
    lines = []
    while not (line := await reader.readline()).startswith((b"t ", b"+")):
        assert line, text
        lines.append(line)
    assert line.startswith((b"t OK", b"+")), line
    return lines


async def opened(user: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORTS["imap"], limit=1 << 26)
    await reader.readline()
    await command(reader, writer, f"LOGIN u{user:02d}@bench.test pw")
    await command(reader, writer, "SELECT INBOX")
    return reader, writer


async def idle(count: int) -> None:
    before, started = pss_kib(), time.perf_counter()
    links = []
    for first in range(0, count, 50):
        links += await asyncio.gather(*(opened(number % 100) for number in range(first, min(count, first + 50))))
    for reader, writer in links:
        await command(reader, writer, "IDLE")
    await asyncio.sleep(3)
    after = pss_kib()
    logins = []
    for number in range(50):
        start = time.perf_counter()
        _, writer = await opened(number)
        logins.append(time.perf_counter() - start)
        writer.close()
    print(json.dumps({"idle connections": count, "KiB each": round((after - before) / count, 1), "setup s": round(time.perf_counter() - started, 1),
                      "login ms p50": round(statistics.median(logins) * 1e3, 1), "login ms max": round(max(logins) * 1e3, 1)}), flush=True)
    for _, writer in links:
        writer.close()


async def large(count: int) -> None:
    reader, writer = await opened(0)
    body = b"Subject: n\r\nFrom: a@example.com\r\nDate: Tue, 24 Nov 2026 02:00:00 +0000\r\n\r\nsmall\r\n"
    made = 0
    started = time.perf_counter()
    while made < count:
        batch = min(250, count - made)
        writer.write(b"a APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(body), body) for _ in range(batch)) + b"\r\n")
        while not (line := await reader.readline()).startswith(b"a "):
            pass
        assert line.startswith(b"a OK"), line
        made += batch
    filled = time.perf_counter() - started
    await command(reader, writer, "LOGOUT")
    before = pss_kib()
    reader, writer = await asyncio.open_connection("127.0.0.1", PORTS["imap"], limit=1 << 28)
    await reader.readline()
    await command(reader, writer, "LOGIN u00@bench.test pw")
    await command(reader, writer, "ENABLE QRESYNC")
    start = time.perf_counter()
    lines = await command(reader, writer, "SELECT INBOX")
    select = time.perf_counter() - start
    values = b" ".join(lines)
    validity = int(values.split(b"UIDVALIDITY ")[1].split(b"]")[0])
    modseq = int(values.split(b"HIGHESTMODSEQ ")[1].split(b"]")[0])
    start = time.perf_counter()
    await command(reader, writer, "FETCH 500000 (FLAGS)" if count >= 500_000 else "FETCH 1 (FLAGS)")
    first_fetch = time.perf_counter() - start
    await command(reader, writer, "CLOSE")
    start = time.perf_counter()
    await command(reader, writer, f"SELECT INBOX (QRESYNC ({validity} {modseq - 10}))")
    qresync = time.perf_counter() - start
    print(json.dumps({"messages": count, "fill per s": round(count / filled), "select ms": round(select * 1e3, 1), "first fetch ms": round(first_fetch * 1e3, 1),
                      "qresync ms": round(qresync * 1e3, 1), "session MiB": round((pss_kib() - before) / 1024, 1)}), flush=True)


def pop(seconds: float) -> None:
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        client = poplib.POP3("127.0.0.1", PORTS["pop3"])
        client.user("u01@bench.test")
        client.pass_("pw")
        for number in range(1, 11):
            client.retr(number)
        client.quit()
        done += 1
    print(json.dumps({"POP sessions of 10 messages a minute, one client": round(done / (time.perf_counter() - started) * 60)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-bench-scale"))
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    shutil.rmtree(args.folder, ignore_errors=True)
    PORTS["pop3"] = 2210
    ours = Ours(args.folder / "ours", 0)
    try:
        ours.start()
        ours.run("mailbox", "list", "u01@bench.test")
        asyncio.run(fill_pop())
        pop(5)
        asyncio.run(idle(args.idle))
        asyncio.run(large(args.messages))
    finally:
        ours.stop()
        with contextlib.suppress(OSError):
            shutil.rmtree(args.folder)


async def fill_pop() -> None:
    reader, writer = await opened(1)
    body = b"Subject: small\r\n\r\n" + b"x" * 500 + b"\r\n"
    for _ in range(10):
        writer.write(b"a APPEND INBOX {%d+}\r\n%s\r\n" % (len(body), body))
        while not (await reader.readline()).startswith(b"a OK"):
            pass
    writer.close()


if __name__ == "__main__":
    main()
