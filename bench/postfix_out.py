"""Postfix as a peer for the outbound bench: takes mail by SMTP on loopback and sends it to smtp-sink at 20 addresses. Root."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """``port`` takes mail for d1.test to dN.test, which go to 127.0.1.1 to 127.0.1.N at ``sink_port``."""

    def __init__(self, folder: Path, port: int, sink_port: int, destinations: int) -> None:
        self.folder, self.port = folder, port
        etc = folder / "etc"
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        shutil.chown(folder / "data", "postfix")
        (etc / "master.cf").write_text(f"127.0.0.1:{port} inet n - n - 100 smtpd\n{SERVICES}")
        lines = "".join(f"d{n}.test smtp:[127.0.1.{n}]:{sink_port}\n" for n in range(1, destinations + 1))
        (etc / "transport").write_text(lines)
        (etc / "main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = /var/tmp
myhostname = mx.bench.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
transport_maps = hash:{etc}/transport
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
disable_dns_lookups = yes
smtp_tls_security_level = none
smtp_bind_address =
""")
        subprocess.run(["postmap", f"hash:{etc}/transport"], check=True)
        subprocess.run(["postfix", "-c", str(etc), "start"], check=True, stderr=subprocess.DEVNULL)
        self.etc = etc
        time.sleep(1)

    def hold_back(self, *, on: bool) -> None:
        """Whether mail waits in the queue."""
        subprocess.run(["postconf", "-c", str(self.etc), "-e", f"defer_transports = {'smtp' if on else ''}"], check=True)
        subprocess.run(["postfix", "-c", str(self.etc), "reload"], check=True, stderr=subprocess.DEVNULL)
        time.sleep(1)

    def flush(self) -> None:
        subprocess.run(["postqueue", "-c", str(self.etc), "-f"], check=True)

    def waiting(self, *names: str) -> int:
        """Messages in these parts of the queue; in all of them without names."""
        parts = names or ("maildrop", "incoming", "active", "deferred")
        return sum(sum(1 for path in (self.folder / "queue" / name).rglob("*") if path.is_file()) for name in parts)

    def cpu_s(self) -> float:
        """Of its processes that live, and of their ended children."""
        master = int((self.folder / "queue/pid/master.pid").read_text())
        tick, total = 100, 0
        for pid in [master, *children(master)]:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += sum(int(field) for field in (fields[11], fields[12], *(fields[13:15] if pid == master else ())))
        return total / tick

    def stop(self) -> None:
        subprocess.run(["postfix", "-c", str(self.etc), "stop"], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
