"""The ``posthouse`` command against a control socket: exit codes, one line of error, JSON, help, the shell (ADM-1, ADM-2)."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.cli import remote
from posthouse.cli.completion import ShellCompleter
from posthouse.cli.history import ShellHistory
from posthouse.cli.operate import operate
from posthouse.roles import data_folder
from posthouse.servers.control import ControlServer
from support.operations import populated

COMMAND = [sys.executable, "-m", "posthouse.cli.main"]


class Steward:
    """A control socket on in-memory backends, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "node.toml"
        self.config.write_text('[node]\nname = "mx.example.test"\ndata = "data"\n')
        self._socket = folder / "data" / "run" / "control.sock"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),))
        self._stop = asyncio.Event()

    async def _live(self) -> None:
        server = ControlServer(await populated(), self._socket)
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.close()

    def __enter__(self) -> Steward:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return command("--config", str(self.config), *words, stdin=stdin)


def command(*words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], input=stdin, capture_output=True, text=True, timeout=60, env={**os.environ, **more}
    )


@pytest.fixture(scope="module")
def steward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steward]:
    with Steward(tmp_path_factory.mktemp("node")) as running:
        yield running


def test_a_table_for_people_and_json_for_programs(steward: Steward) -> None:
    assert "jane@example.test" in steward.run("user", "show", "jane@example.test").stdout
    shown = json.loads(steward.run("User", "SHOW", "--json", "jane@example.test").stdout)
    assert shown["name"] == "Jane"


def test_a_password_comes_from_standard_input_and_is_never_empty(steward: Steward) -> None:
    done = steward.run("user", "add", "new1@example.test", "--name", "New One", stdin="from input\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "new1@example.test" in done.stdout
    for stdin in ("", "\n"):
        refused = steward.run("user", "add", "new2@example.test", stdin=stdin)
        assert (refused.returncode, refused.stderr) == (1, "posthouse: the password is empty\n")
    refused = steward.run("user", "add", "new2@example.test", "--password=", stdin="unused\n")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1


def test_text_comes_from_standard_input(steward: Steward) -> None:
    done = steward.run("setting", "import", "--json", stdin="pop.idle_timeout_s = 700\n")
    assert json.loads(done.stdout)[0]["value"] == "700.0"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["domain", "add", "example.test"], 1),
        (["user", "show", "nobody@example.test"], 1),
        (["smtp", "set", "max_recipients", "0"], 1),
        (["user", "fly"], 2),
        (["usr", "list"], 2),
        (["user"], 2),
        (["user", "add"], 2),
        (["user", "add", "a@example.test", "--nonsense", "x"], 2),
        (["user", "add", "not an address"], 2),
        (["help", "about", "nothing"], 2),
    ],
)
def test_failures_give_one_line_and_a_code(steward: Steward, words: list[str], code: int) -> None:
    done = steward.run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("posthouse: ")
    assert done.stderr.count("\n") == 1


def test_a_missing_or_wrong_file_is_one_clear_line(tmp_path: Path) -> None:
    done = command("--config", str(tmp_path / "none.toml"), "user", "list")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "none.toml" in done.stderr


def test_a_node_that_is_locked_and_does_not_answer_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "node.toml"
    config.write_text('[node]\nname = "mx.example.test"\n')
    data_folder.make(tmp_path / "data", "")
    lock = data_folder.lock(tmp_path / "data")
    monkeypatch.setattr(remote, "PATIENCE_S", 0.1)
    assert operate(["domain", "list"], config) == 3
    assert capsys.readouterr().err.count("\n") == 1
    os.close(lock)


def test_the_environment_names_the_file(steward: Steward) -> None:
    assert command("domain", "list", POSTHOUSE_CONFIG=str(steward.config)).returncode == 0


def test_version_help_and_wrong_options() -> None:
    assert command("--version").stdout == "posthouse 0.1.0\n"
    assert "NOUN VERB" in command("--help").stdout
    assert "user add" in command("help").stdout
    assert "--password" in command("help", "user", "add").stdout
    assert "--password" in command("user", "add", "--help").stdout
    wrong = command("--nonsense")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


@pytest.mark.spec_part("ADM-2")
def test_the_shell_runs_lines_from_a_pipe(steward: Steward) -> None:
    lines = [
        "# a comment",
        "user add piped@example.test --name 'Piped In'",
        "its password",
        "user show piped@example.test --json",
        "help about times",
        'user "unfinished',
        "user show nobody@example.test",
        "exit",
        "user fly",
    ]
    done = steward.run("shell", stdin="\n".join(lines) + "\n")
    assert '"name": "Piped In"' in done.stdout
    assert "15m" in done.stdout
    assert done.stderr.splitlines() == [
        "posthouse: the line cannot be read: No closing quotation",
        "posthouse: there is no user nobody@example.test",
    ]
    assert done.returncode == 1


@pytest.mark.spec_part("ADM-2")
def test_the_shell_completes_nouns_verbs_options_and_values() -> None:
    asked: list[list[str]] = []

    def ask(words: list[str]) -> list[str]:
        asked.append(words)
        return ["jane@example.test", "john@example.test"]

    completer = ShellCompleter(ask)
    assert completer.candidates([], "us") == ["user"]
    assert completer.candidates(["user"], "p") == ["password"]
    assert completer.candidates(["user", "show"], "ja") == ["jane@example.test"]
    assert asked == [["user", "list", "ja*", "0", "50"]]
    assert "--name" in completer.candidates(["user", "set", "jane@example.test"], "--")
    assert completer.candidates(["user", "set", "x@y", "--role"], "adm") == ["administrator"]
    assert completer.candidates(["setting", "get"], "smtp.max_rec") == ["smtp.max_recipients"]
    assert completer.candidates(["smtp", "set"], "max_rec") == ["max_recipients"]
    assert completer.candidates(["help", "about"], "ti") == ["times"]
    assert completer.candidates(["nonsense", "x"], "") == []


def test_the_shells_history_keeps_no_passwords_and_is_its_owners(tmp_path: Path) -> None:
    history = ShellHistory(tmp_path / "history")
    history.append_string("user list")
    history.append_string("user add jane@example.test --password=hunter2")
    text = (tmp_path / "history").read_text()
    assert "user list" in text
    assert "hunter2" not in text
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600


@pytest.mark.spec_part("ADM-2")
def test_the_shell_at_a_terminal_prompts_completes_and_leaves(steward: Steward) -> None:
    leader, follower = pty.openpty()
    shell = subprocess.Popen(
        [*COMMAND, "--config", str(steward.config), "shell"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "HOME": str(steward.config.parent), "TERM": "xterm"},
        close_fds=True,
    )
    os.close(follower)
    seen = ""

    def wait_for(text: str) -> None:
        nonlocal seen
        # Drawn in one go or letter by letter, as time allows: only what stands there counts.
        while text.replace(" ", "") not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\s\x08]", "", seen):
            readable, _, _ = select.select([leader], [], [], 30)
            assert readable, seen
            seen += os.read(leader, 65_536).decode(errors="replace")
            if "\x1b[6n" in seen:
                seen = seen.replace("\x1b[6n", "")
                os.write(leader, b"\x1b[1;1R")

    wait_for("mx.example.test>")
    os.write(leader, b"user sho\t")
    wait_for("user show")
    os.write(leader, b"jan\t")
    wait_for("jane@example.test")
    os.write(leader, b"\r")
    wait_for("size bytes")
    os.write(leader, b"exit\r")
    assert shell.wait(30) == 0
    os.close(leader)
