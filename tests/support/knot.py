"""A real authoritative DNS server (Knot) on a loopback port, unprivileged, for the zones ``test``, ``in-addr.arpa`` and
``ip6.arpa``. The same table of records feeds ``MemoryResolver``.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import dns.message
import dns.query
import dns.reversename

Records = Mapping[tuple[str, str], Sequence[str]]
"""``(name, type)`` to values as ``MemoryResolver`` takes them; PTR by the address itself."""

ZONES = ("test", "in-addr.arpa", "ip6.arpa")
TTL_S = 300


class Knot:
    """Use as a context manager, or ``start`` and ``stop``. ``signed`` zones carry DNSSEC signatures. ``address`` goes into
    ``[dns] nameservers``."""

    def __init__(self, folder: Path, records: Records, *, signed: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._records = dict(records)
        (folder / "db").mkdir(parents=True)
        self._write()
        signing = "    dnssec-signing: on\n" if signed else ""
        zones = "".join(f'  - domain: {zone}.\n    file: "{zone}.zone"\n{signing}' for zone in ZONES)
        (folder / "knot.conf").write_text(
            f'server:\n    rundir: "{folder}"\n    listen: 127.0.0.1@{self.port}\n'
            "    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n"
            "log:\n  - target: stderr\n    any: warning\n"
            f'database:\n    storage: "{folder}/db"\n'
            f'template:\n  - id: default\n    storage: "{folder}"\n    zonefile-sync: -1\n    journal-content: none\n'
            f"    semantic-checks: soft\nzone:\n{zones}"
        )

    def _write(self) -> None:
        for zone in ZONES:
            (self.folder / f"{zone}.zone").write_text(_zone(zone, self._records))

    def publish(self, records: Records) -> None:
        """Adds to what it serves, or replaces what is of the same name and type."""
        self._records.update(records)
        self.stop()
        self._write()
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def stubs(self) -> dict[str, int]:
        """What a resolver in front of it needs."""
        return dict.fromkeys(ZONES, self.port)

    @property
    def toml(self) -> str:
        """What node.toml needs to ask this server."""
        return f'[dns]\nnameservers = ["{self.address}"]\n'

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["knotd", "-c", str(self.folder / "knot.conf")], stdout=log, stderr=log)
        query = dns.message.make_query("test", "SOA")
        for _ in range(1200):
            try:
                if dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.1).answer:
                    return
            except (OSError, dns.exception.Timeout):
                time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def __enter__(self) -> Knot:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _zone(zone: str, records: Records) -> str:
    lines = [f"$TTL {TTL_S}", f"{zone}. SOA ns.test. hostmaster.test. 1 3600 600 86400 {TTL_S}", f"{zone}. NS ns.test."]
    if zone == "test":
        lines.append("ns.test. A 127.0.0.1")
    for (name, kind), values in records.items():
        full = dns.reversename.from_address(name).to_text() if kind == "PTR" else f"{name}."
        if full.endswith(f"{zone}."):
            lines += [f"{full} {kind} {_value(kind, value)}" for value in values]
    return "\n".join(lines) + "\n"


def _value(kind: str, value: str) -> str:
    if kind == "TXT":
        return " ".join(f'"{value[at : at + 200]}"' for at in range(0, len(value), 200))
    return f"{value}." if kind in ("MX", "PTR", "CNAME") and not value.endswith(".") else value


def free_port() -> int:
    """A port free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
