"""SpamAssassin and bogofilter for `make bench-spam`: trained with the same messages, network off, in folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from spam_corpus import Letter

SPAMD_PORT = 17_783
BATCH = 200


class Bogofilter:
    """Scores are 100 for Spam, 50 for Unsure, 0 for Ham."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def train(self, letters: Sequence[Letter]) -> None:
        for spam in (True, False):
            names = [str(letter.path) for letter in letters if letter.spam is spam]
            for start in range(0, len(names), BATCH):
                self._run("-s" if spam else "-n", "-B", *names[start : start + BATCH])

    def scores(self, letters: Sequence[Letter]) -> list[float]:
        """In order."""
        found: list[float] = []
        for start in range(0, len(letters), BATCH):
            lines = self._run("-v", "-B", *[str(letter.path) for letter in letters[start : start + BATCH]]).splitlines()
            for line in lines:
                found.append(100.0 if "Spam," in line else 50.0 if "Unsure," in line else 0.0)
        assert len(found) == len(letters), "one line a message"
        return found

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            ["bogofilter", "-C", "-d", str(self._folder), *words], capture_output=True, text=True, check=False
        )
        return done.stdout


class SpamAssassin:
    """spamd with one child, local tests only, Bayes in a folder of its own. Scores are SpamAssassin's points (5 is spam)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.parent.chmod(0o755)  # the daemon's child runs as nobody
        folder.mkdir()
        folder.chmod(0o777)
        for pre in Path("/etc/spamassassin").glob("*.pre"):
            shutil.copy(pre, folder)
        (folder / "local.cf").write_text(
            f"bayes_path {folder}/bayes\nbayes_file_mode 0777\nuse_bayes 1\nbayes_auto_learn 0\nbayes_auto_expire 0\nskip_rbl_checks 1\n"
            "use_razor2 0\nuse_pyzor 0\ndns_available no\nlock_method flock\n"
        )
        self._options = [f"--siteconfigpath={folder}", "--configpath=/usr/share/spamassassin"]
        self._daemon: subprocess.Popen[bytes] | None = None

    def train(self, letters: Sequence[Letter]) -> None:
        for spam in (True, False):
            names = "\n".join(str(letter.path) for letter in letters if letter.spam is spam)
            listing = self._folder / "list"
            listing.write_text(names + "\n")
            command = ["sa-learn", "--spam" if spam else "--ham", "--no-sync", f"--folders={listing}"]
            subprocess.run([*command, *self._options], check=True, capture_output=True)
        subprocess.run(["sa-learn", "--sync", *self._options], check=True, capture_output=True)
        for file in self._folder.glob("bayes*"):
            file.chmod(0o666)

    def start(self) -> None:
        command = ["spamd", "-L", "-x", "-i", "127.0.0.1", "-p", str(SPAMD_PORT), "-m", "1", "--min-children=1"]
        log = (self._folder / "log").open("wb")
        self._daemon = subprocess.Popen([*command, *self._options], stdout=log, stderr=log)
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", SPAMD_PORT), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("spamd does not come up")

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(30)

    def cpu_s(self) -> float:
        """Of the daemon, its children, and those of these that have ended (each after 200 messages)."""
        assert self._daemon is not None
        family = [self._daemon.pid]
        for pid in family:
            family += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        ticks = 0
        for pid in family:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def score(self, content: bytes) -> float:
        with socket.create_connection(("127.0.0.1", SPAMD_PORT), timeout=120) as link:
            link.sendall(b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(content) + content)
            link.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := link.recv(4096):
                answer += chunk
        for line in answer.splitlines():
            if line.startswith(b"Spam:"):
                return float(line.partition(b";")[2].partition(b"/")[0])
        raise RuntimeError(f"spamd answered {answer!r}")
