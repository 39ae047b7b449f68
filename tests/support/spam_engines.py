"""A real spamd and a real rspamd on loopback, without network tests. Both are slow to start: one of each for a whole module."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from support.clamav import free_port, wait_for_port

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Engine:
    """Use as a context manager; ``kill`` and ``start`` may alternate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """As the setting ``antispam.engines`` takes it."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "out.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        while True:
            try:
                wait_for_port(self.port, self.log)
                return
            except AssertionError:
                assert time.monotonic() < end, self.log()

    def freeze(self) -> None:
        """It and its children accept connections (the kernel does), and never answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It and its children."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait(60)
            self.process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def log(self) -> str:
        return (self.folder / "out.log").read_text(errors="replace")

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


class Spamd(Engine):
    """On a TCP port, or with ``unix`` on a socket."""

    def __init__(self, folder: Path, *, unix: bool = False) -> None:
        super().__init__(folder)
        self.socket = folder / "spamd.sock" if unix else None
        self._rules = Path(tempfile.mkdtemp(prefix="posthouse-spamd-"))
        self._rules.chmod(0o755)  # its children may run as another user
        for path in Path("/etc/spamassassin").glob("*.pre"):
            shutil.copy(path, self._rules)
        (self._rules / "local.cf").write_text("use_bayes 0\nuse_auto_welcomelist 0\n")

    @property
    def url(self) -> str:
        return f"spamd://{self.socket}" if self.socket else f"spamd://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        where = ["--socketpath", str(self.socket)] if self.socket else ["-i", "127.0.0.1", "-p", str(self.port)]
        rules = [f"--siteconfigpath={self._rules}", "--configpath=/usr/share/spamassassin"]
        return ["/usr/sbin/spamd", "-L", "-x", "-m", "2", "-s", "stderr", *where, *rules]

    def start(self) -> None:
        if self.socket is None:
            return super().start()
        with (self.folder / "out.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        while not self.socket.exists():
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        shutil.rmtree(self._rules)


class Rspamd(Engine):
    """Its other workers are off; the name server that it asks does not answer. ``fuzzy``: it has a fuzzy storage of its own,
    and a controller by which that learns."""

    def __init__(self, folder: Path, *, fuzzy: bool = False) -> None:
        super().__init__(folder)
        for name in ("db", "run", "log", "local/local.d"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        local = folder / "local" / "local.d"
        (local / "worker-normal.inc").write_text(f'bind_socket = "127.0.0.1:{self.port}";\ncount = 1;\n')
        self.controller = free_port() if fuzzy else 0
        if fuzzy:
            self._keep_fuzzy_hashes(local, free_port())
        else:
            (local / "worker-controller.inc").write_text("enabled = false;\n")
        (local / "worker-proxy.inc").write_text("enabled = false;\n")
        dns = f'dns {{ nameserver = ["127.0.0.1:{free_port()}"]; timeout = 0.1s; retransmits = 1; }}\n'
        (local / "options.inc").write_text(dns)

    def _keep_fuzzy_hashes(self, local: Path, storage: int) -> None:
        (local / "worker-controller.inc").write_text(
            f'bind_socket = "127.0.0.1:{self.controller}";\nsecure_ip = ["127.0.0.1"];\ncount = 1;\n'
        )
        (local / "worker-fuzzy.inc").write_text(
            f'bind_socket = "127.0.0.1:{storage}";\ncount = 1;\nbackend = "sqlite";\nsync = 1s;\n'
            f'hash_file = "{self.folder}/db/fuzzy.db";\nallow_update = ["127.0.0.1"];\n'
        )
        (local / "fuzzy_check.conf").write_text(
            f'min_bytes = 100;\nrule "site" {{ algorithm = "mumhash"; servers = "127.0.0.1:{storage}"; symbol = "SITE_FUZZY";\n'
            'mime_types = ["*"]; max_score = 20.0; read_only = no; skip_unknown = yes; short_text_direct_hash = true;\n'
            "fuzzy_map = { SITE_FUZZY_DENIED { max_score = 20.0; flag = 11; } } }\n"
        )
        (local / "fuzzy_group.conf").write_text('symbols = { "SITE_FUZZY_DENIED" { weight = 12.0; } }\n')

    def report(self, content: bytes) -> None:
        """Tells the fuzzy storage that this is spam."""
        words = ["rspamc", "-h", f"127.0.0.1:{self.controller}", "-f", "11", "-w", "20", "fuzzy_add"]
        done = subprocess.run(words, input=content, capture_output=True, timeout=60, check=False)
        assert b"success = true" in done.stdout, done.stdout + done.stderr

    @property
    def url(self) -> str:
        return f"rspamd://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        names = (("DBDIR", "db"), ("RUNDIR", "run"), ("LOGDIR", "log"), ("LOCAL_CONFDIR", "local"))
        variables = [f"--var={name}={self.folder / folder}" for name, folder in names]
        return ["/usr/bin/rspamd", "-f", "-i", "-c", "/etc/rspamd/rspamd.conf", *variables]
