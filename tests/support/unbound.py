"""A real validating resolver (Unbound) on a loopback port, unprivileged, in front of a signed ``Knot``."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from support.knot import Knot, free_port

PROGRAM = shutil.which("unbound") or "/usr/sbin/unbound"


class Unbound:
    """Use as a context manager; ``toml`` is what node.toml needs to ask it. It trusts the zone ``test`` of ``knot``;
    ``alone``: for it there is nothing else, and it says so at once."""

    def __init__(self, folder: Path, knot: Knot, *, alone: bool = False) -> None:
        self._alone = alone
        self.folder = folder
        self.port = free_port()
        self._knot = knot
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def toml(self) -> str:
        return f'[dns]\nnameservers = ["127.0.0.1:{self.port}"]\n'

    def _configure(self) -> Path:
        query = dns.message.make_query("test.", "DNSKEY", want_dnssec=True)
        answer = dns.query.tcp(query, "127.0.0.1", port=self._knot.port, timeout=20)
        [keys] = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.DNSKEY]
        anchors = "".join(f'    trust-anchor: "test. DNSKEY {key.to_text()}"\n' for key in keys)
        path = self.folder / "unbound.conf"
        rest = '    local-zone: "." static\n' if self._alone else ""
        zone = "transparent" if self._alone else "nodefault"
        path.write_text(
            f'server:\n    interface: 127.0.0.1@{self.port}\n    username: ""\n    chroot: ""\n    directory: "{self.folder}"\n'
            f'    pidfile: "{self.folder}/pid"\n    use-syslog: no\n    logfile: ""\n    do-daemonize: no\n    num-threads: 1\n'
            f'    do-not-query-localhost: no\n    module-config: "validator iterator"\n    local-zone: "test." {zone}\n{rest}'
            f"{anchors}"
            f'stub-zone:\n    name: "test."\n    stub-addr: 127.0.0.1@{self._knot.port}\n'
            "remote-control:\n    control-enable: no\n"
        )
        return path

    def __enter__(self) -> Unbound:
        path = self._configure()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-d", "-c", str(path)], stdout=log, stderr=log)
        query = dns.message.make_query("test.", "SOA")
        query.flags |= dns.flags.AD
        for _ in range(1200):
            try:
                if dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.5).flags & dns.flags.AD:
                    return self
            except (OSError, dns.exception.Timeout):
                time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
