"""A real clamd on loopback, unprivileged as far as it can be, with two signatures of our own: EICAR's test file by its hash,
and the words in ``MARKER`` anywhere.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
EICAR_NAME = "Eicar-Test-Signature"
MARKER = b"posthouse test virus, harmless"
MARKER_NAME = "Posthouse.Test"


class Clamd:
    """Use as a context manager; ``kill`` and ``start`` may alternate. On a TCP port and on a Unix socket."""

    def __init__(self, folder: Path, *, stream_max: str = "20M", extra: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "clamd.sock"
        self.process: subprocess.Popen[bytes] | None = None
        database = folder / "db"
        database.mkdir(parents=True)
        (database / "test.hdb").write_text(f"44d88612fea8a8f36de82e1278abb02f:68:{EICAR_NAME}\n")
        (database / "test.ndb").write_text(f"{MARKER_NAME}:0:*:{MARKER.hex()}\n")
        (folder / "clamd.conf").write_text(
            f"DatabaseDirectory {database}\nTCPSocket {self.port}\nTCPAddr 127.0.0.1\nLocalSocket {self.socket}\n"
            f"FixStaleSocket yes\nForeground yes\nStreamMaxLength {stream_max}\nSelfCheck 0\nMaxThreads 8\n"
            f"TemporaryDirectory {folder}\n{extra}\n"
        )

    @property
    def tcp(self) -> str:
        return f"clamd://127.0.0.1:{self.port}"

    @property
    def unix(self) -> str:
        return f"clamd://{self.socket}"

    def start(self) -> None:
        with (self.folder / "clamd.log").open("ab") as log:
            self.process = subprocess.Popen(["clamd", "-c", str(self.folder / "clamd.conf")], stdout=log, stderr=log)
        wait_for_port(self.port, lambda: (self.folder / "clamd.log").read_text())

    def learn(self, octets: bytes, name: str) -> None:
        """Another signature, in force when this returns."""
        with (self.folder / "db" / "test.ndb").open("a") as file:
            file.write(f"{name}:0:*:{octets.hex()}\n")
        log = self.folder / "clamd.log"
        before = log.read_text().count("correctly reloaded")
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(b"zRELOAD\0")
            client.recv(100)
        for _ in range(1200):
            if log.read_text().count("correctly reloaded") > before:
                return
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    def freeze(self) -> None:
        """It still accepts connections (the kernel does), and never answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None

    def __enter__(self) -> Clamd:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


class CIcap:
    """A real c-icap whose service ``virus_scan`` asks a clamd."""

    def __init__(self, folder: Path, clamd: Clamd, *, extra: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "c-icap.conf").write_text(
            f"PidFile {folder}/c-icap.pid\nCommandsSocket {folder}/c-icap.ctl\nTimeout 300\nMaxKeepAliveRequests 100\n"
            "KeepAliveTimeout 600\nStartServers 1\nMaxServers 2\nMinSpareThreads 5\nMaxSpareThreads 10\nThreadsPerChild 10\n"
            f"Port 127.0.0.1:{self.port}\nServerAdmin a@example.test\nServerName icap.example.test\nTmpDir {folder}\n"
            f"MaxMemObject 131072\nDebugLevel 1\nModulesDir {_modules()}\nServicesDir {_modules()}\n"
            f"TemplateDir /usr/share/c_icap/templates/\nLoadMagicFile /etc/c-icap/c-icap.magic\n"
            f"ServerLog {folder}/server.log\nAccessLog {folder}/access.log\n"
            "Service antivirus virus_scan.so\nvirus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE\n"
            "virus_scan.SendPercentData 5\nvirus_scan.StartSendPercentDataAfter 2M\nvirus_scan.MaxObjectSize 20M\n"
            f"virus_scan.DefaultEngine clamd\nModule common clamd_mod.so\nclamd_mod.ClamdSocket {clamd.socket}\n{extra}\n"
        )

    @property
    def url(self) -> str:
        return f"icap://127.0.0.1:{self.port}/antivirus"

    def start(self) -> None:
        with (self.folder / "out.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["c-icap", "-N", "-D", "-f", str(self.folder / "c-icap.conf")], stdout=log, stderr=log, start_new_session=True
            )
        wait_for_port(self.port, lambda: "".join(path.read_text() for path in self.folder.glob("*.log")))

    def kill(self) -> None:
        """It and its children."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
            self.process = None

    def __enter__(self) -> CIcap:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


def _modules() -> str:
    return str(next(Path("/usr/lib").glob("*/c_icap")))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, log: object) -> None:
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log() if callable(log) else "no answer")
