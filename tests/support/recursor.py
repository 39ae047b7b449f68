"""A real recursive resolver (Unbound) that asks label by label (RFC 9156), in front of given servers on loopback ports."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import dns.exception
import dns.message
import dns.query

from support.knot import free_port
from support.unbound import PROGRAM

RESERVED = ("2.0.192", "100.51.198", "113.0.203")
"""Unbound answers for the addresses of documentation itself unless told not to."""


class Recursor:
    """Use as a context manager. ``stubs``: zones and the ports of the servers that have them; ``toml`` goes into node.toml."""

    def __init__(self, folder: Path, stubs: Mapping[str, int]) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        opened = "".join(f'    local-zone: "{block}.in-addr.arpa." nodefault\n' for block in RESERVED)
        opened += '    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault\n    local-zone: "test." nodefault\n'
        zones = "".join(f'stub-zone:\n    name: "{zone}."\n    stub-addr: 127.0.0.1@{port}\n' for zone, port in stubs.items())
        (folder / "unbound.conf").write_text(
            f'server:\n    interface: 127.0.0.1@{self.port}\n    username: ""\n    chroot: ""\n    directory: "{folder}"\n'
            f'    pidfile: "{folder}/pid"\n    use-syslog: no\n    logfile: ""\n    do-daemonize: no\n    num-threads: 1\n'
            '    do-not-query-localhost: no\n    module-config: "iterator"\n    qname-minimisation: yes\n'
            "    qname-minimisation-strict: yes\n    harden-below-nxdomain: yes\n    use-caps-for-id: yes\n"
            f"{opened}{zones}remote-control:\n    control-enable: no\n"
        )

    @property
    def toml(self) -> str:
        return f'[dns]\nnameservers = ["127.0.0.1:{self.port}"]\n'

    def __enter__(self) -> Recursor:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-d", "-c", str(self.folder / "unbound.conf")], stdout=log, stderr=log)
        query = dns.message.make_query("localhost", "A")
        for _ in range(1200):
            try:
                dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5)
                return self
            except (OSError, dns.exception.Timeout):
                time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
