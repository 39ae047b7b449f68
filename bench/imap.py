"""IMAP, ours beside Dovecot (sdbox), on one disk, in one run, measured in turn: round by round, so that both see the same machine.

    python bench/imap.py [--messages 20000] [--rounds 3] [--folder /var/tmp/posthouse-bench-imap] [--only single]

The list of the store issue: single client on a large mailbox (each round another account, so that "first" is first), mixed load
of 20 clients, logins, idle memory, IDLE notices. The table gives medians, and the speed beside theirs as the median of the
rounds' ratios (above 1: ours is faster), by the clock and by CPU (all processes of either server).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ours import GROUP, PORTS, Ours

HERE = Path(__file__).resolve().parent
SERVERS = {GROUP: (PORTS["imap"], "@bench.test"), "dovecot": (2143, "")}
Rounds = dict[str, list[dict[str, Any]]]


def load(server: str, *words: str, user: str = "u{i:02d}") -> dict[str, Any]:
    port, domain = SERVERS[server]
    command = [sys.executable, str(HERE / "imap_load.py"), "--port", str(port), "--cg", server, "--label", server]
    done = subprocess.run([*command, "--user", user + domain, *words], capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    print(done.stdout.strip(), flush=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def in_turn(rounds: int, *words: str, of_round: bool = False) -> Rounds:
    """Every server's results, one a round; ``of_round``: as the account of the round's number."""
    out: Rounds = {server: [] for server in SERVERS}
    for number in range(rounds):
        order = list(SERVERS)
        for server in order if number % 2 else reversed(order):
            out[server].append(load(server, *words, **({"user": f"u{number:02d}"} if of_round else {})))
    return out


def prepare(messages: int, rounds: int, ours: Ours) -> None:
    for server in SERVERS:
        for number in range(rounds):
            load(server, "--do", "fill", "--count", str(messages), user=f"u{number:02d}")
    started = time.perf_counter()
    while not json.loads(ours.run("search", "status", "--json"))["complete"]:
        time.sleep(0.1)
    print(json.dumps({"indexed after s": round(time.perf_counter() - started, 2)}), flush=True)


def table(found: Rounds, *, rates: bool = False) -> None:
    """``rates``: more is better."""
    mine, theirs = (found[server] for server in SERVERS)
    names = [name for name, value in mine[0].items() if isinstance(value, float) and not name.endswith("_cpu")]
    print(f"\n{'what':24}{'ours':>10}{'Dovecot':>10}{'speed':>8}{'range':>14}{'our CPU':>10}{'theirs':>10}{'CPU':>8}")
    for name in names:
        pairs = [(one[name], other[name]) for one, other in zip(mine, theirs, strict=True)]
        ratios = sorted((a / b if rates else b / a) if a and b else 0.0 for a, b in pairs)
        line = f"{name:24}{_middle(a for a, _ in pairs):10.4f}{_middle(b for _, b in pairs):10.4f}{_middle(ratios):8.2f}"
        line += f"{ratios[0]:7.2f}–{ratios[-1]:.2f}"
        if all(name + "_cpu" in one for one in mine):
            used = [(one[name + "_cpu"][GROUP], other[name + "_cpu"]["dovecot"]) for one, other in zip(mine, theirs, strict=True)]
            line += f"{_middle(a for a, _ in used):10.4f}{_middle(b for _, b in used):10.4f}{_middle(b / a if a else 0 for a, b in used):8.2f}"
        print(line, flush=True)


def _middle(values: Any) -> float:
    return statistics.median(list(values))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-bench-imap"))
    parser.add_argument("--only", choices=["single"])
    parser.add_argument("--hold", action="store_true", help="after filling, wait for a line on standard input (for profiling)")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    ours = Ours(args.folder / "ours", 0)
    peers = str(args.folder / "peers")
    try:
        ours.start()
        subprocess.run([str(HERE / "peers.sh"), "start", "sdbox", peers], check=True)
        time.sleep(2)
        prepare(args.messages, args.rounds, ours)
        if args.hold:
            input("filled; return goes on\n")
        table(in_turn(args.rounds, "--do", "single", of_round=True))
        if args.only != "single":
            busy(args.rounds)
    finally:
        ours.stop()
        subprocess.run([str(HERE / "peers.sh"), "stop", peers], check=False)
        with contextlib.suppress(OSError):
            shutil.rmtree(args.folder)


def busy(rounds: int) -> None:
    for server in SERVERS:
        for user in range(20):
            load(server, "--do", "fill", "--box", "mixed", "--count", "500", user=f"u{user:02d}")
    table(in_turn(rounds, "--do", "mixed", "--box", "mixed", "--clients", "20", "--seconds", "8"), rates=True)
    table(in_turn(rounds, "--do", "login", "--box", "mixed", "--count", "1000", "--clients", "10", "--users", "20"), rates=True)
    idle = {}
    for server in SERVERS:
        words = ("--do", "idle", "--box", "mixed", "--clients", "500", "--pss", server, "--notify", "20")
        idle[server] = load(server, *words, user="u00")
    for key in ("pss_kib_per_conn", "notify_ms_p50", "notify_ms_max"):
        print(f"{key:24}" + "".join(f"{idle[server][key]:>10}" for server in SERVERS))


if __name__ == "__main__":
    main()
