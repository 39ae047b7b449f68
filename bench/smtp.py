"""SMTP to mailbox, ours beside Postfix + Dovecot (LMTP, Maildir), in turn, on one disk, in one run.

    python bench/smtp.py [--rounds 3] [--count 3000] [--folder /var/tmp/posthouse-bench] [--no-peers]

"ours" has every check that a new node has on; "path" is the same node with those off that look at content or at strangers
(`ours.OFF`). Prints a line of JSON a measurement and, last, the table of medians and ratios. Ends all that it started.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ours import PORTS, USERS, Ours

HERE = Path(__file__).resolve().parent
CASES = {
    "4k": ["--size", "4096"],
    "4k reuse": ["--size", "4096", "--reuse"],
    "64k": ["--size", "65536"],
    "64k reuse": ["--size", "65536", "--reuse"],
}


def load(label: str, port: int, count: int, extra: list[str], cgroups: str, delivered: str) -> dict[str, object]:
    command = [sys.executable, str(HERE / "smtp_load.py"), "--to", f"127.0.0.1:{port}", "--count", str(count), "--number"]
    command += ["--sessions", "20", "--cg", cgroups, "--delivered", delivered, "--label", label, "--rcpt", "u@bench.test", *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    print(done.stdout.strip(), flush=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


async def latency(port: int, rate: float, seconds: float) -> dict[str, float]:
    """DATA's reply time at a fixed rate, each message on a connection of its own."""
    body = b"Subject: latency\r\nFrom: s@example.com\r\n\r\n" + b"x" * 76 + (b"\r\n" + b"y" * 76) * 51 + b"\r\n.\r\n"
    times: list[float] = []

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        for command in (b"HELO l.example.com", b"MAIL FROM:<s@example.com>", b"RCPT TO:<u%02d@bench.test>" % (number % USERS), b"DATA"):
            writer.write(command + b"\r\n")
            await reader.readline()
        start = time.perf_counter()
        writer.write(body)
        reply = await reader.readline()
        times.append(time.perf_counter() - start)
        assert reply.startswith(b"250"), reply
        writer.write(b"QUIT\r\n")
        await reader.read()
        writer.close()

    tasks = []
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number + random.randrange(USERS))))
    await asyncio.gather(*tasks)
    times.sort()
    return {"rate": round(rate), "p50_ms": times[len(times) // 2] * 1e3, "p99_ms": times[int(len(times) * 0.99)] * 1e3, "max_ms": times[-1] * 1e3}


def fsyncs(pids: list[str], action: list[str], count: int) -> float:
    """fsync and fdatasync calls a message while `action` runs, counted by strace in all processes."""
    log = Path("/var/tmp/posthouse-strace.txt")
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", str(log)]
    for pid in pids:
        command += ["-p", pid]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(1)
    subprocess.run(action, check=True, capture_output=True)
    time.sleep(1)
    tracer.terminate()
    tracer.wait(10)
    return sum("sync(" in line for line in log.read_text().splitlines()) / count


def cgroup_pids(*names: str) -> list[str]:
    return [pid for name in names for pid in Path(f"/sys/fs/cgroup/cpuacct/bench/{name}/cgroup.procs").read_text().split()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-bench"))
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    ours = Ours(args.folder / "ours", args.count)
    peers = str(args.folder / "peers")
    results: dict[tuple[str, str], list[dict[str, object]]] = {}
    try:
        ours.start()
        if not args.no_peers:
            subprocess.run([str(HERE / "peers.sh"), "start", "maildir", peers], check=True)
            time.sleep(2)
        for _ in range(args.rounds):
            for case, extra in CASES.items():
                for who, checks in (("ours", True), ("path", False)):
                    ours.checks(checks)
                    got = load(f"{who} {case}", PORTS["smtp"], args.count, extra, "posthouse", ours.delivered)
                    results.setdefault((case, who), []).append(got)
                ours.checks(True)
                if not args.no_peers:
                    counted = f"grep -c status=sent {peers}/mail.log || true"
                    got = load(f"peers {case}", 2725, args.count // 2, extra, "postfix,dovecot", counted)
                    results.setdefault((case, "peers"), []).append(got)
        report(results)
        rate = statistics.median(float(str(r["e2e_per_s"])) for r in results["4k", "ours"])
        print(json.dumps({"latency at 80%": asyncio.run(latency(PORTS["smtp"], 0.8 * rate, 8))}))
        source = ["smtp-source", "-s", "20", "-l", "4096", "-m", "1000", "-f", "s@example.com", "-t", "u01@bench.test"]
        print(json.dumps({"ours fsyncs a message": fsyncs(cgroup_pids("posthouse"), [*source, f"127.0.0.1:{PORTS['smtp']}"], 1000)}))
    finally:
        ours.stop()
        if not args.no_peers:
            subprocess.run([str(HERE / "peers.sh"), "stop", peers], check=False)
        with contextlib.suppress(OSError):
            shutil.rmtree(args.folder)


def report(results: dict[tuple[str, str], list[dict[str, object]]]) -> None:
    print(f"\n{'case':12} {'who':6} {'msg/s':>8} {'CPU ms/msg':>10}")
    for (case, who), runs in results.items():
        rate = statistics.median(float(str(r["e2e_per_s"])) for r in runs)
        cpus = [sum(dict(r["server_us_per_msg"]).values()) / 1e3 for r in runs]  # type: ignore[call-overload]
        print(f"{case:12} {who:6} {rate:8.0f} {statistics.median(cpus):10.2f}")
    for case in CASES:
        told = [ratio(results, case, *pair) for pair in (("ours", "peers"), ("path", "peers"), ("ours", "path"))]
        print(f"{case}: " + ", ".join(filter(None, told)))


def ratio(results: dict[tuple[str, str], list[dict[str, object]]], case: str, one: str, other: str) -> str:
    """Messages a second of one by those of the other, round by round."""
    if (case, other) not in results:
        return ""
    pairs = zip(results[case, one], results[case, other], strict=True)
    ratios = [float(str(a["e2e_per_s"])) / float(str(b["e2e_per_s"])) for a, b in pairs]
    return f"{one}/{other} {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


if __name__ == "__main__":
    main()
