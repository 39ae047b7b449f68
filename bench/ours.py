"""Our node for a benchmark: a fresh data folder, users u00..u99@bench.test (or more), and aliases 1u..Nu as `smtp-source -N` sends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POSTHOUSE = str(Path(sys.executable).with_name("posthouse"))
CG = str(ROOT / "bench/cg.sh")
USERS = 100
GROUP = os.environ.get("BENCH_GROUP", "posthouse")  # of cpuacct; another name for each of two benches at a time
BESIDE = int(os.environ.get("BENCH_BESIDE", "0"))  # added to the ports, for another bench beside this one
OFF = {
    "antispam.engines": '""',
    "mailauth.verify": "false",
    "outbreak.enabled": "false",
    "junk.mode": "off",
    "smtp.sender_check": "false",
}
"""Spam, forgery, outbreaks, junk mail: the path without them is that of the project's first milestone."""
PORTS = {"smtp": 2625 + BESIDE, "imap": 2243 + BESIDE}


class Ours:
    """Start with `start`, end with `stop`; in cpuacct cgroup `GROUP`."""

    def __init__(self, folder: Path, aliases: int, users: int = USERS) -> None:
        self.config = folder / "node.toml"
        self.folder = folder
        self.aliases = aliases
        self.users = users
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True)
        listen = "\n".join(f'{name} = "127.0.0.1:{port}"' for name, port in PORTS.items())
        self.config.write_text(f'[node]\nname = "mx.bench.test"\ndata = "data"\nroles = ["all"]\n[listen]\n{listen}\n')
        self.serve()
        self.run("domain", "add", "bench.test")
        lines = [f"user add u{i:02d}@bench.test --password pw" for i in range(self.users)]
        lines += [f"alias add {i}u@bench.test u{i % USERS:02d}@bench.test" for i in range(1, self.aliases + 1)]
        self.shell(lines)

    def serve(self) -> None:
        log = (self.folder / "node.log").open("ab")
        self.process = subprocess.Popen(
            [CG, GROUP, POSTHOUSE, "serve", "--config", str(self.config)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready"), line

    def run(self, *words: str) -> str:
        done = subprocess.run([POSTHOUSE, "--config", str(self.config), *words], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{words}: {done.stderr}")
        return done.stdout

    def shell(self, lines: list[str]) -> None:
        command = [POSTHOUSE, "--config", str(self.config), "shell"]
        done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True)
        assert done.returncode == 0, done.stderr[-1000:]

    def checks(self, on: bool) -> None:
        """What looks at content or asks other systems about strangers, on (as a new node has it) or off (`OFF`)."""
        self.shell([f"setting reset {name}" if on else f"setting set {name} {value}" for name, value in OFF.items()])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    @property
    def delivered(self) -> str:
        """A shell command that counts the messages in mailboxes (a fresh connection sees what IMAP would)."""
        code = "import apsw,sys;c=apsw.Connection(sys.argv[1],apsw.SQLITE_OPEN_READONLY);print(c.execute('SELECT COALESCE(SUM(message_count),0) FROM mailbox').fetchone()[0])"
        return f"{sys.executable} -c \"{code}\" {self.folder}/data/mail.db"
