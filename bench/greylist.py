"""Greylist decisions, ours beside Postfix + postgrey, in turn, in one run (root; apt-get install postfix postgrey).

    python bench/greylist.py [--rounds 3] [--count 4000] [--connections 20] [--folder /var/tmp/posthouse-greylist] [--no-peers]

Both sides take the same load: connections that tell client addresses by the PROXY protocol, on each of them MAIL, RCPT, RSET
(pipelined) again and again, each with a triplet of its own. `new`: none was seen before. `known`: all are valid. CPU is that of all processes of a
side, by their cgroups' or their own clocks; for ours also what greylisting adds to the same load with greylisting off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from ours import PORTS, Ours

PEER_PORT = 2726
PORTS["smtp"], PORTS["imap"] = 2627, 2227
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PER_CONNECTION = 200


def children(pid: int) -> list[int]:
    """`pid` and all below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                pass
    return found


def cpu_s(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    return total * TICK_S


async def session(port: int, numbers: list[int], codes: dict[str, int]) -> None:
    for start in range(0, len(numbers), PER_CONNECTION):
        part = numbers[start : start + PER_CONNECTION]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PROXY TCP4 10.%d.%d.9 127.0.0.1 40000 25\r\n" % (part[0] // 256 % 256, part[0] % 256))
        await reader.readline()
        writer.write(b"EHLO client.bench.test\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        for number in part:
            writer.write(b"MAIL FROM:<s%dx@sender.test>\r\nRCPT TO:<u%02d@bench.test>\r\nRSET\r\n" % (number, number % 100))
            await reader.readline()
            code = (await reader.readline())[:3].decode()
            codes[code] = codes.get(code, 0) + 1
            await reader.readline()
        writer.write(b"QUIT\r\n")
        await reader.read()
        writer.close()


async def load(port: int, first: int, count: int, connections: int) -> tuple[float, dict[str, int]]:
    """Decisions a second, and the codes of RCPT's replies."""
    codes: dict[str, int] = {}
    share = count // connections
    parts = [list(range(first + n * share, first + (n + 1) * share)) for n in range(connections)]
    started = time.perf_counter()
    await asyncio.gather(*(session(port, part, codes) for part in parts))
    return sum(codes.values()) / (time.perf_counter() - started), codes


class Peers:
    """Postfix with postgrey on a Unix socket, in a private folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgrey: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        etc, queue, data, grey = (self.folder / name for name in ("etc", "queue", "data", "grey"))
        for one in (etc, queue, data, grey):
            one.mkdir(parents=True)
        self.folder.chmod(0o755)
        shutil.chown(data, "postfix")
        shutil.chown(grey, "postgrey")
        for name in ("clients", "recipients"):
            (etc / name).write_text("")
        master = Path("/etc/postfix/master.cf").read_text().splitlines()
        kept = [line for line in master if not line.startswith(("smtp      inet", "#"))]
        service = f"127.0.0.1:{PEER_PORT} inet n - n - - smtpd"
        (etc / "master.cf").write_text("\n".join([service, *[line.replace(" y ", " n ", 1) for line in kept]]) + "\n")
        (etc / "main.cf").write_text(
            f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file = {self.folder}/mail.log
maillog_file_prefixes = {self.folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.bench.test
mydestination = bench.test
local_recipient_maps =
mynetworks = 192.0.2.1/32
smtpd_upstream_proxy_protocol = haproxy
smtpd_peername_lookup = no
smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10923
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100000
smtpd_hard_error_limit = 100000
default_process_limit = 100
smtpd_delay_reject = yes
in_flow_delay = 0
"""
        )
        options = [f"--dbdir={grey}", "--inet=127.0.0.1:10923", "--delay=1", "--auto-whitelist-clients=0"]
        options += [f"--whitelist-clients={etc}/clients", f"--whitelist-recipients={etc}/recipients"]
        self.postgrey = subprocess.Popen(["postgrey", *options], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        subprocess.run(["postfix", "-c", str(etc), "start"], check=True, capture_output=True)
        time.sleep(2)

    def pids(self) -> list[int]:
        master = int((self.folder / "queue/pid/master.pid").read_text())
        return [*children(master), *(children(self.postgrey.pid) if self.postgrey else [])]

    def stop(self) -> None:
        subprocess.run(["postfix", "-c", str(self.folder / "etc"), "stop"], capture_output=True)
        if self.postgrey is not None:
            self.postgrey.terminate()
            self.postgrey.wait(10)


def measured(label: str, port: int, pids: list[int], first: int, count: int, connections: int) -> dict[str, object]:
    before = cpu_s(pids)
    rate, codes = asyncio.run(load(port, first, count, connections))
    used = cpu_s(pids) - before
    done = sum(codes.values())
    found: dict[str, object] = {"what": label, "per_s": round(rate), "cpu_ms": round(used / done * 1e3, 4), "codes": codes}
    print(json.dumps(found), flush=True)
    return found


def set_ours(ours: Ours, mode: str) -> None:
    ours.run("greylist", "set", "mode", mode)
    time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/posthouse-greylist"))
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    ours, peers = Ours(args.folder / "ours", 0), Peers(args.folder / "peers")
    results: dict[str, list[dict[str, object]]] = {}

    def take(label: str, *rest: object) -> None:
        results.setdefault(label, []).append(measured(label, *rest))  # type: ignore[arg-type]

    try:
        ours.start()
        for key, value in (("greylist.earliest_s", "1"), ("greylist.auto_allow", "0"), ("smtp.proxy_networks", "127.0.0.0/8"),
                           ("smtp.sender_check", "off"), ("smtp.tarpit_s", "0"), ("lookup.greeting_timeout_s", "0"),
                           ("lookup.message_timeout_s", "0.1"), ("lookup.check_timeout_s", "0.1"), ("mailauth.verify", "off"),
                           ("smtp.max_errors", "1000000"), ("greylist.exempt_reputation", "0")):
            ours.run("setting", "set", key, value)
        if not args.no_peers:
            peers.start()
        assert ours.process is not None
        pids = children(ours.process.pid)
        for round_ in range(args.rounds):
            first = round_ * 20_000_000
            set_ours(ours, "off")
            take("ours off", PORTS["smtp"], pids, first, args.count * 4, args.connections)
            set_ours(ours, "on")
            take("ours new", PORTS["smtp"], pids, first, args.count * 4, args.connections)
            time.sleep(1.2)
            measured("ours become valid", PORTS["smtp"], pids, first, args.count * 4, args.connections)
            take("ours known", PORTS["smtp"], pids, first, args.count * 4, args.connections)
            if not args.no_peers:
                take("peers new", PEER_PORT, peers.pids(), first, args.count, args.connections)
                time.sleep(1.2)
                measured("peers become valid", PEER_PORT, peers.pids(), first, args.count, args.connections)
                take("peers known", PEER_PORT, peers.pids(), first, args.count, args.connections)
    finally:
        ours.stop()
        if not args.no_peers:
            peers.stop()
    report(results)


def report(results: dict[str, list[dict[str, object]]]) -> None:
    def median(label: str, key: str) -> float:
        return statistics.median(float(str(each[key])) for each in results[label])

    for case in ("new", "known"):
        adds = median(f"ours {case}", "cpu_ms") - median("ours off", "cpu_ms")
        line = f"{case}: ours {median(f'ours {case}', 'per_s'):.0f}/s, decision adds {adds:.3f} ms CPU"
        if f"peers {case}" in results:
            theirs = median(f"peers {case}", "per_s")
            line += f"; Postfix + postgrey {theirs:.0f}/s ({median(f'peers {case}', 'cpu_ms'):.2f} ms); ratio {median(f'ours {case}', 'per_s') / theirs:.1f}"
        print(line)


if __name__ == "__main__":
    main()
