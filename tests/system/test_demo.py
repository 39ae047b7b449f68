"""`make run`: sets the demo up, sends its mail, shows what became of it, says how to connect, and serves until Ctrl-C."""

from __future__ import annotations

import imaplib
import json
import poplib
import re
import signal
import smtplib
import subprocess
from pathlib import Path

import pytest

from support.node import POSTHOUSE, until

_STYLE = re.compile(r"\x1b\[\d*m")


class Demo:
    """A demo that runs, by what it prints."""

    def __init__(self, folder: Path) -> None:
        self._printed = folder.parent / "printed"
        # A shell's background job, such as a whole run of tests may be, has SIGINT ignored, and so would all that it starts.
        command = ["env", "--default-signal=INT", *POSTHOUSE, "demo", str(folder)]
        with self._printed.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    @property
    def lines(self) -> list[str]:
        return _STYLE.sub("", self._printed.read_text()).splitlines()

    def wait_for(self, text: str) -> None:
        until(lambda: any(text in line for line in self.lines) or self.process.poll() is not None, 100)
        assert self.process.poll() is None, self.lines[-20:]

    def table(self) -> tuple[dict[str, tuple[str, int]], dict[str, str]]:
        """Where each service is, and each user's password."""
        lines = self.lines
        start = next(number for number, line in enumerate(lines) if line.startswith("Posthouse is serving."))
        pairs = [line.split() for line in lines[start:] if len(line.split()) == 2]
        where = {name: value.rpartition(":") for name, value in pairs if value.startswith("127.0.0.1:")}
        services = {name: (host, int(port)) for name, (host, _, port) in where.items()}
        return services, {name: value for name, value in pairs if "@" in name}

    def stories(self) -> dict[str, list[str]]:
        """What was shown of each message, by its title."""
        found: dict[str, list[str]] = {}
        for line in self.lines:
            if match := re.fullmatch(r"(\S.*): <\S*> to \S.*", line):
                title = match[1]
                found[title] = []
            elif found and line.startswith("  "):
                found[title].append(line)
        return found


@pytest.mark.timeout(300)
@pytest.mark.spec_part("DEP-2", "MON-1")
def test_the_demo_shows_its_mails_traces_says_how_to_connect_and_serves(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo")
    try:
        # Its first prints of traces come while it still sends, not when all is over.
        demo.wait_for("plain text")
        assert not any("serving" in line for line in demo.lines)
        demo.wait_for("Ctrl-C ends it.")
        stories = demo.stories()
        assert len(stories) >= 20
        assert all("trace " in " ".join(lines) and len(lines) > 2 for lines in stories.values()), stories
        told = ["\n".join(lines) for lines in stories.values()]
        assert sum("Relaying denied" in story for story in told) == 1
        assert sum("by submission as" in story for story in told) >= 1
        assert sum("on disk for" in story for story in told) >= 18
        services, passwords = demo.table()
        assert len({address.partition("@")[2] for address in passwords}) == 2
        assert len(passwords) == len(set(passwords.values())) == 5
        for address, password in passwords.items():
            with imaplib.IMAP4(*services["imap"], timeout=30) as client:
                client.login(address, password)
                assert int(client.select("INBOX")[1][0] or b"0") > 0, f"{address} has mail"
        address, password = next(iter(passwords.items()))
        with smtplib.SMTP(*services["submission"], timeout=30) as client_out:
            client_out.login(address, password)
            client_out.sendmail(address, [address], b"Subject: by hand\r\n\r\nx\r\n")
        pop = poplib.POP3(*services["pop3"], timeout=30)
        pop.user(address)
        pop.pass_(password)
        assert b"Subject: by hand" in pop.retr(len(pop.list()[1]))[1]
        pop.quit()
        listed = subprocess.run(
            [*POSTHOUSE, "--json", "--config", str(tmp_path / "demo/node.toml"), "user", "list"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert {each["address"] for each in json.loads(listed.stdout)} == set(passwords)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(80) == 0
    finally:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGTERM)
            demo.process.wait(80)


def test_what_is_no_demo_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("mine")
    done = subprocess.run([*POSTHOUSE, "demo", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert (tmp_path / "mail").read_text() == "mine"
