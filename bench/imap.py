"""IMAP, ours beside Dovecot (sdbox), in turn, on one disk, in one run.

    python bench/imap.py [--messages 20000] [--folder /var/tmp/posthouse-bench-imap] [--no-peers]

The list of the store issue: single client on a large mailbox, mixed load of 20 clients, logins, idle memory, IDLE notices.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ours import PORTS, Ours

HERE = Path(__file__).resolve().parent


def load(port: int, cgroup: str, domain: str, *words: str) -> dict[str, object]:
    command = [sys.executable, str(HERE / "imap_load.py"), "--port", str(port), "--cg", cgroup, "--label", cgroup]
    command += ["--user", "u{i:02d}" + domain, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    print(done.stdout.strip(), flush=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def measure(port: int, cgroup: str, domain: str, messages: int, ours: Ours | None = None) -> dict[str, object]:
    out: dict[str, object] = {"indexed after s": "-"}
    load(port, cgroup, domain, "--do", "fill", "--count", str(messages))
    if ours is not None:  # mail is searched after it has come, and the index is made in the background
        started = time.perf_counter()
        while not json.loads(ours.run("search", "status", "--json"))["complete"]:
            time.sleep(0.1)
        out["indexed after s"] = round(time.perf_counter() - started, 2)
    single = load(port, cgroup, domain, "--do", "single")
    out.update({key: value for key, value in single.items() if isinstance(value, float) and not key.endswith("cpu")})
    for user in range(20):
        load(port, cgroup, domain, "--do", "fill", "--box", "mixed", "--count", "500", "--user", f"u{user:02d}{domain}")
    mixed = load(port, cgroup, domain, "--do", "mixed", "--box", "mixed", "--clients", "20", "--seconds", "10")
    out["mixed per_s"] = mixed["per_s"]
    logins = load(port, cgroup, domain, "--do", "login", "--box", "mixed", "--count", "2000", "--clients", "10", "--users", "20")
    out["logins per_s"] = logins["per_s"]
    idle = load(port, cgroup, domain, "--do", "idle", "--box", "mixed", "--clients", "500", "--user", f"u00{domain}", "--pss", cgroup, "--notify", "20")
    out["idle KiB"] = idle["pss_kib_per_conn"]
    out["notify ms"] = idle["notify_ms_p50"]
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-bench-imap"))
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    ours = Ours(args.folder / "ours", 0)
    peers = str(args.folder / "peers")
    try:
        ours.start()
        results = {"ours": measure(PORTS["imap"], "posthouse", "@bench.test", args.messages, ours)}
        if not args.no_peers:
            subprocess.run([str(HERE / "peers.sh"), "start", "sdbox", peers], check=True)
            time.sleep(2)
            results["dovecot"] = measure(2143, "dovecot", "", args.messages)
        print(f"\n{'what':26}" + "".join(f"{name:>12}" for name in results))
        for key in results["ours"]:
            print(f"{key:26}" + "".join(f"{result[key]!s:>12}" for result in results.values()))
    finally:
        ours.stop()
        if not args.no_peers:
            subprocess.run([str(HERE / "peers.sh"), "stop", peers], check=False)
        with contextlib.suppress(OSError):
            shutil.rmtree(args.folder)


if __name__ == "__main__":
    main()
